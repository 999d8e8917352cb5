"""The totals of the plan of a download flow."""

from __future__ import annotations

from collections.abc import Iterable

import pystac

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.units import Unit, grouped
from stac_asset.api.earlier_report import EarlierRun
from stac_asset.api.planned_rows import planned_rows
from stac_asset.plan.summary import PlanSummary, PlanTotals
from stac_asset.types import Failed, Transfer

_CHUNK = 500
"""Number of assets to check at the same time."""


def new_totals(session: Session, earlier: EarlierRun) -> PlanTotals:
    """Return the totals of a plan without items.

    Args:
        session: The session of the run.
        earlier: The earlier run in the same directory.
    """
    config = session.config
    slots = session.max_concurrent_downloads
    return PlanTotals(config.price_per_gb, slots, config.expected_speed, earlier.speed)


async def plan_units(units: Iterable[Unit], session: Session, earlier: EarlierRun) -> PlanSummary:
    """Return the plan of a download flow. Existing files are checked, and sources are asked.

    Args:
        units: The items, or the collection. They are read as needed.
        session: The session of the run.
        earlier: The earlier run in the same directory.
    """
    totals = new_totals(session, earlier)
    for group in grouped(units, _CHUNK, lambda unit: len(unit.planned)):
        planned = [entry for unit in group for entry in unit.planned]
        rows = iter(
            await planned_rows(
                planned,
                session.clients,
                session.destinations,
                session.config,
                session.max_concurrent_downloads,
                earlier.failed,
                session.connect,
            )
        )
        for unit in group:
            count = sum(_number_of_assets(entry) for entry in unit.planned)
            owner = unit.owner
            collection = owner.collection_id if isinstance(owner, pystac.Item) else None
            totals.add(owner.id, [next(rows) for _ in range(count)], collection)
    return totals.summary()


def _number_of_assets(entry: Transfer | Failed) -> int:
    return 1 + len(entry.shared_with) if isinstance(entry, Transfer) else 1
