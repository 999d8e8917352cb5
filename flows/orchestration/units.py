"""Download planned items in task runs per asset or per batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from prefect.exceptions import CancelledRun
from prefect.utilities.annotations import opaque

from prefect_stac_asset.flows.execution.global_limits import without_missing_limits
from prefect_stac_asset.flows.execution.retries import with_retries
from prefect_stac_asset.flows.execution.runner import (
    MAX_SUBMITTED,
    Runner,
    WorkerError,
    lost_outcomes,
)
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.orchestration.batch_log import BatchLog
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.tasks.download import download_asset, download_assets
from stac_asset.concurrency import bounded
from stac_asset.plan.owners import Owner
from stac_asset.stac.item_collections import InvalidItem
from stac_asset.types import Failed, Outcome, Transfer, outcomes_per_asset

if TYPE_CHECKING:
    from prefect_stac_asset.flows.orchestration.budgets import Admission

_T = TypeVar("_T")

_MAX_ASSET_TASKS = 200
"""Maximum number of assets for which granularity `auto` starts a task run per asset."""

_BATCH_COUNT = 25
"""Number of batches of a run, within the limits of the batch size."""

_MIN_BATCH_SIZE, _MAX_BATCH_SIZE = 100, 2000
"""Limits of the number of assets per batch. Items are not split, so a batch may be larger."""

_MAX_SUBMITTED_BATCH_SIZE = 500
"""Maximum number of assets per submitted batch. A killed worker then loses less work."""

_CONCURRENT_BATCHES = 4
"""Number of simultaneous batches in the loop of the flow. All share the limits of the run."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An item or collection with planned transfers."""

    number: int
    """Position in the source, from 0."""

    owner: Owner
    planned: tuple[Transfer | Failed, ...]
    """A transfer for each asset. `Failed` for an asset that could not be planned."""

    invalid: InvalidItem | None = None
    """The document, if it is not a valid item. The owner is then a placeholder."""

    left_because: str = ""
    """Reason why the run left the item for the next run, if a budget is reached."""

    @property
    def is_left(self) -> bool:
        """Whether the run left the item for the next run."""
        return bool(self.left_because)

    @property
    def transfers(self) -> list[Transfer]:
        """The transfers, without assets that could not be planned."""
        return [entry for entry in self.planned if isinstance(entry, Transfer)]


def is_batched(
    total: int, granularity: Granularity, options: DownloadOptions | None = None
) -> bool:
    """Return whether task runs process batches. Otherwise each task run processes a single asset.

    Args:
        total: Number of assets.
        granularity: The `granularity` of the flow.
        options: The options of the run. Waiting for `concurrency_limits` takes long, so that a run
            with limits starts few task runs.
    """
    if granularity != "auto":
        return granularity == "batch"
    has_limits = options is not None and bool(options.concurrency_limits)
    return has_limits or total > _MAX_ASSET_TASKS


def batches(
    units: Iterable[Unit], total: int, max_size: int = _MAX_BATCH_SIZE
) -> Iterator[list[Unit]]:
    """Return groups of whole items with about the same number of assets.

    Args:
        units: The items.
        total: Number of assets.
        max_size: Maximum size of a group, except for the whole last item.
    """
    size = min(max_size, max(_MIN_BATCH_SIZE, -(-total // _BATCH_COUNT)))
    return grouped(units, size, lambda unit: len(unit.transfers))


def grouped(units: Iterable[Unit], size: int, count: Callable[[Unit], int]) -> Iterator[list[Unit]]:
    """Yield groups of whole items.

    Args:
        units: The items.
        size: Number of assets at which a group ends.
        count: Returns the number of assets of an item.
    """
    group: list[Unit] = []
    assets = 0
    for unit in units:
        group.append(unit)
        assets += count(unit)
        if assets >= size:
            yield group
            group, assets = [], 0
    if group:
        yield group


async def download_units(
    units: Iterable[Unit],
    total: int,
    granularity: Granularity,
    options: DownloadOptions,
    session: Session,
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    """Download items, and yield each item with outcomes when all assets have ended.

    An item that is left because of a budget is yielded without outcomes, with `is_left`.

    With `fail_fast`, the first error is raised unchanged, after all other tasks have stopped.

    Args:
        units: The items. They are read as needed.
        total: Number of assets.
        granularity: Whether a task run downloads one asset or a batch.
        options: The options of the run.
        session: The session of the run. It belongs to the current event loop.
    """
    runner, admission = Runner(session), _admission(session)
    if options.concurrency_limits:
        options = await without_missing_limits(options)
    log = BatchLog(total)
    if is_batched(total, granularity, options):
        max_size = _MAX_SUBMITTED_BATCH_SIZE if runner.submits else _MAX_BATCH_SIZE
        work = _by_batch(batches(units, total, max_size), options, runner, admission, log)
    else:
        work = _by_asset(units, options, runner, admission, log)
    async with aclosing(work) as done:
        async for unit, outcomes in done:
            yield unit, outcomes


def _admission(session: Session) -> Admission | None:
    if session.meters is None or not session.meters.limits_bytes:
        return None
    from prefect_stac_asset.flows.orchestration.budgets import Admission

    return Admission(session, session.meters)


async def _by_batch(
    groups: Iterable[list[Unit]],
    options: DownloadOptions,
    runner: Runner,
    admission: Admission | None,
    log: BatchLog,
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    task = with_retries(download_assets, options)

    async def download(group: list[Unit]) -> list[tuple[Unit, list[Outcome]]]:
        transfers = [transfer for unit in group for transfer in unit.transfers]
        found: list[Outcome]
        try:
            found = await runner.run(task, as_opaque(transfers), as_opaque(options), writes=True)
        except BatchError as error:
            found = error.outcomes
        except Exception as error:
            if options.fail_fast or not isinstance(error, WorkerError):
                await runner.stop()
                raise
            found = lost_outcomes(transfers, error)
        log.add(found)
        log.write()
        rest = iter(found)
        return [(unit, merged(unit, list(islice(rest, len(unit.transfers))))) for unit in group]

    async def download_admitted(group: list[Unit]) -> list[tuple[Unit, list[Outcome]]]:
        if admission is None:
            return await download(group)
        found, left = await admission.download_together(group, download)
        return found + [(_left(unit, admission), []) for unit in left]

    limit = MAX_SUBMITTED if runner.submits else _CONCURRENT_BATCHES
    async with aclosing(bounded(download_admitted, groups, limit)) as done:
        async for finished in done:
            for unit, outcomes in finished:
                yield unit, outcomes


async def _by_asset(
    units: Iterable[Unit],
    options: DownloadOptions,
    runner: Runner,
    admission: Admission | None,
    log: BatchLog,
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    task = with_retries(download_asset, options)
    waiting: dict[int, tuple[Unit, list[Outcome | None]]] = {}

    def transfers() -> Iterator[tuple[Unit, Transfer]]:
        for unit in units:
            waiting[unit.number] = (unit, [])
            for transfer in unit.transfers:
                yield unit, transfer

    async def download(entry: tuple[Unit, Transfer]) -> tuple[int, Outcome | None]:
        unit, transfer = entry
        admitted = nullcontext(True) if admission is None else admission.asset_of(unit)
        try:
            async with admitted as is_taken:
                if not is_taken:
                    return unit.number, None
                given = as_opaque(transfer), as_opaque(options)
                return unit.number, await runner.run(task, *given, writes=True)
        except Exception as error:
            if options.fail_fast or isinstance(error, CancelledRun):
                await runner.stop()
                raise
            return unit.number, Failed(transfer.owner, transfer.key, error, transfer)

    limit = MAX_SUBMITTED if runner.submits else options.max_concurrent_downloads
    async with aclosing(bounded(download, transfers(), limit)) as done:
        async for number, outcome in done:
            unit, outcomes = waiting[number]
            outcomes.append(outcome)
            log.add([] if outcome is None else [outcome])
            if log.count == _MIN_BATCH_SIZE:
                log.write()
            if len(outcomes) == len(unit.transfers):
                del waiting[number]
                ended = [outcome for outcome in outcomes if outcome is not None]
                # All assets of an item are taken, or none.
                if admission is not None and not ended:
                    yield _left(unit, admission), []
                else:
                    yield unit, merged(unit, ended)
    for unit, _ in waiting.values():  # Items without planned transfers.
        yield unit, merged(unit, [])


def _left(unit: Unit, admission: Admission) -> Unit:
    return replace(unit, left_because=admission.reasons.pop(unit.number))


def merged(unit: Unit, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return an outcome for each planned asset of an item.

    Args:
        unit: The item.
        outcomes: The outcomes of its transfers. Assets that share a file have one transfer.
    """
    per_asset = [entry for outcome in outcomes for entry in outcomes_per_asset(outcome)]
    return [*(entry for entry in unit.planned if isinstance(entry, Failed)), *per_asset]


def unit_of(number: int, entry: Owner | InvalidItem, planned: Iterable[Transfer | Failed]) -> Unit:
    """Return the unit of an item or collection, or of a document that is not a valid item.

    Args:
        number: Position in the run, from 0.
        entry: The item or collection, or the document that is not a valid item.
        planned: The planned assets of the item or collection.
    """
    if isinstance(entry, InvalidItem):
        failed = Failed(entry.name, "", entry.error)
        return Unit(number, entry.placeholder(), (failed,), entry)
    return Unit(number, entry, tuple(planned))


def as_opaque(value: _T) -> _T:
    """Return a task argument that Prefect does not search for futures.

    Args:
        value: The argument. The task receives it without the wrapper.
    """
    return opaque(value)  # type: ignore[return-value]
