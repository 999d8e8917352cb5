"""Repairs of an audit in task runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from functools import partial

from prefect_stac_asset.flows.execution.budgets.errors import left_transfer
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.verification.repairs import open_repairs
from stac_asset.audit.repair import Downloads, RepairTools
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate


def repair_tools(
    session: Session,
    options: DownloadOptions,
    granularity: Granularity,
    on_removed: OnRemoved,
    credentials: Credentials,
    destination_credentials: DestinationCredentials,
) -> RepairTools:
    """Return the repairs of an audit.

    Args:
        session: The session of the run.
        options: The options of the flow.
        granularity: Work of one task run.
        on_removed: Action for items that left the source.
        credentials: Blocks that hold credentials.
        destination_credentials: The block of the directory, if any.
    """

    async def prepare(mirror: MirrorUpdate) -> Downloads:
        preparation = RunPreparation(options, granularity, session)
        for prepared in mirror.prepared():
            preparation.add(_unit(0, prepared))
        await preparation.begin(lambda: (_unit(0, prepared) for prepared in mirror.prepared()))
        return _downloads(mirror, preparation)

    opened = partial(
        open_repairs,
        options=options,
        granularity=granularity,
        credentials=credentials,
        destination_credentials=destination_credentials,
    )
    return RepairTools(prepare, opened, on_removed)


async def _downloads(mirror: MirrorUpdate, preparation: RunPreparation) -> Downloads:
    """Download items in task runs, and yield each item with the outcomes."""
    in_progress: dict[int, Prepared] = {}

    def units() -> Iterator[Unit]:
        for number, prepared in enumerate(mirror.prepared()):
            in_progress[number] = prepared
            yield _unit(number, prepared)

    async with aclosing(preparation.download(units())) as done:
        async for unit, outcomes in done:
            if unit.is_left:
                outcomes = [left_transfer(one, unit.left_because) for one in unit.transfers]
            yield in_progress.pop(unit.number), outcomes


def _unit(number: int, prepared: Prepared) -> Unit:
    return Unit(number, prepared.item, prepared.planned)
