"""The totals of a plan from the items of a download flow, or from the items of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import pystac

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.planning.earlier_report import EarlierRun
from stac_asset.api.planned_rows import planned_rows
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import Mirror
from stac_asset.plan.reasons import Reason
from stac_asset.plan.summary import Action, PlannedAsset, PlannedItem, PlanSummary, PlanTotals
from stac_asset.redact import redact_href
from stac_asset.transfer.probe import probe_all
from stac_asset.types import Failed, Transfer

_CHUNK = 500
"""Number of assets whose files and sources are checked together."""


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
    for group in _groups(units):
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


def _groups(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    group: list[Unit] = []
    size = 0
    for unit in units:
        group.append(unit)
        size += len(unit.planned)
        if size >= _CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group


def _number_of_assets(entry: Transfer | Failed) -> int:
    return 1 + len(entry.shared_with) if isinstance(entry, Transfer) else 1


class MirrorTotals:
    """The totals of a plan of a mirror.

    Args:
        session: The session of the run.
        earlier: The earlier run of the mirror.
        asks_sizes: Whether to ask sources for sizes that items do not declare.
    """

    def __init__(self, session: Session, earlier: EarlierRun, asks_sizes: bool) -> None:
        self._session = session
        self._totals = new_totals(session, earlier)
        self._asks_sizes = asks_sizes

    async def add(self, prepared: Prepared) -> None:
        """Count an item that the run downloads.

        Args:
            prepared: The item.
        """
        key, reason = prepared.wanted.key, prepared.wanted.reason
        missing = {id(transfer) for transfer in prepared.missing}
        sizes = await self._sizes(prepared.missing) if self._asks_sizes else {}
        rows = chain.from_iterable(
            _rows(entry, reason if id(entry) in missing else Reason.PRESENT, sizes)
            for entry in prepared.planned
        )
        assets = list(rows)
        is_failing = all(asset.action == "fail" for asset in assets) and bool(assets)
        self._totals.add(key.id, assets, key.collection, None if is_failing else reason)

    def summary(self, mirror: Mirror, on_removed: str) -> PlanSummary:
        """Return the plan, with the items that the run does not download.

        Args:
            mirror: The run of the mirror, after all items were chosen.
            on_removed: The value of `on_removed`.
        """
        for key in mirror.metadata_updates:
            item = PlannedItem(key.id, key.collection, Reason.METADATA.value, 0, 0)
            self._totals.add_item(item)
        reason = f"removed from the source: {on_removed}"
        for key in mirror.removed:
            self._totals.add_item(PlannedItem(key.id, key.collection, reason, 0, 0))
        self._totals.add_present(mirror.changes.unchanged)
        return self._totals.summary()

    async def _sizes(self, transfers: list[Transfer]) -> dict[int, int | None]:
        unknown = [transfer for transfer in transfers if transfer.size is None]
        session = self._session
        found = await probe_all(unknown, session.clients, session.config, connect=session.connect)
        return {
            id(transfer): result.stat.size
            for transfer, result in zip(unknown, found, strict=True)
            if result.stat is not None
        }


def _rows(
    entry: Transfer | Failed, reason: Reason, sizes: dict[int, int | None]
) -> Iterator[PlannedAsset]:
    """Yield the row of each asset of an entry of a mirror's plan."""
    if isinstance(entry, Failed):
        yield PlannedAsset(entry.owner, entry.key, "fail", note=str(entry.error))
        return
    size = entry.size if entry.size is not None else sizes.get(id(entry))
    action: Action = "skip" if reason is Reason.PRESENT else "download"
    href = redact_href(entry.candidates[0].href)
    yield PlannedAsset(
        entry.owner, entry.key, action, href, path=entry.path, size=size, reason=reason
    )
    for key in entry.shared_with:
        yield PlannedAsset(entry.owner, key, "skip", href, path=entry.path, reason=reason)
