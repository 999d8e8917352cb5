"""Runs the downloads of planned items as task runs, an asset or a batch each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from prefect.exceptions import CancelledRun
from prefect.utilities.annotations import opaque

from prefect_stac_asset.flows.execution.global_limits import existing_limits
from prefect_stac_asset.flows.execution.retries import with_retries
from prefect_stac_asset.flows.execution.runner import MAX_SUBMITTED, Runner, WorkerError, lost
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.tasks.download import download_asset, download_assets
from stac_asset.concurrency import bounded
from stac_asset.plan.planner import Owner
from stac_asset.types import Failed, Outcome, Transfer

_T = TypeVar("_T")

ASSETS_AT_MOST = 200
"""Up to this many assets, `auto` makes a task run of each."""

_BATCHES = 25
"""How many batches a run is cut into, unless they would be smaller or larger than is good."""

_SMALLEST, _LARGEST = 100, 2000
"""Assets of a batch. A batch holds whole items, and ends with the one that fills it."""

_LARGEST_SUBMITTED = 500
"""The same for a batch that is submitted: what a worker loses with its life is less."""

_AT_ONCE = 4
"""How many batches are in work at once in the flow's loop; they share the run's places."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An item or collection, and what is planned of it."""

    number: int
    """Its place in the source, from 0."""

    owner: Owner
    planned: tuple[Transfer | Failed, ...]

    @property
    def transfers(self) -> list[Transfer]:
        """What there is to download."""
        return [entry for entry in self.planned if isinstance(entry, Transfer)]


def is_batched(total: int, granularity: Granularity) -> bool:
    """Returns whether a task run is a batch, rather than an asset.

    Args:
        total: How many assets there are.
        granularity: What was asked for.
    """
    return granularity == "batch" or (granularity == "auto" and total > ASSETS_AT_MOST)


def batches(units: Iterable[Unit], total: int, largest: int = _LARGEST) -> Iterator[list[Unit]]:
    """Yields whole items in groups of about the same number of assets.

    Args:
        units: The items.
        total: How many assets they have.
        largest: How many assets fill a group, at most.
    """
    size = min(largest, max(_SMALLEST, -(-total // _BATCHES)))
    group: list[Unit] = []
    count = 0
    for unit in units:
        group.append(unit)
        count += len(unit.transfers)
        if count >= size:
            yield group
            group, count = [], 0
    if group:
        yield group


async def download_units(
    units: Iterable[Unit],
    total: int,
    granularity: Granularity,
    options: DownloadOptions,
    session: Session,
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    """Downloads items, and yields each with what became of its assets as soon as that is known.

    With `fail_fast`, the first error is raised as it was, when everything else has stopped.

    Args:
        units: The items; they are drawn as they can be worked on.
        total: How many assets they have.
        granularity: What a task run is.
        options: How to download.
        session: The session of the run, whose loop this is awaited in.
    """
    runner = Runner(session)
    if options.concurrency_limits:
        options = await existing_limits(options)
    if options.concurrency_limits and granularity == "auto":
        granularity = "batch"  # A queue for slots is long, so each task run should be worth it.
    if is_batched(total, granularity):
        largest = _LARGEST_SUBMITTED if runner.submits else _LARGEST
        work = _in_batches(batches(units, total, largest), options, runner)
    else:
        work = _one_by_one(units, options, runner)
    async with aclosing(work) as done:
        async for unit, outcomes in done:
            yield unit, outcomes


async def _in_batches(
    groups: Iterable[list[Unit]], options: DownloadOptions, runner: Runner
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    task = with_retries(download_assets, options)

    async def download(group: list[Unit]) -> list[tuple[Unit, list[Outcome]]]:
        transfers = [transfer for unit in group for transfer in unit.transfers]
        found: list[Outcome]
        try:
            found = await runner.run(task, as_opaque(transfers), as_opaque(options))
        except BatchError as error:
            found = error.outcomes
        except Exception as error:
            if options.fail_fast or not isinstance(error, WorkerError):
                await runner.stop()
                raise
            found = lost(transfers, error)
        rest = iter(found)
        return [(unit, _merged(unit, list(islice(rest, len(unit.transfers))))) for unit in group]

    limit = MAX_SUBMITTED if runner.submits else _AT_ONCE
    async with aclosing(bounded(download, groups, limit)) as done:
        async for finished in done:
            for unit, outcomes in finished:
                yield unit, outcomes


async def _one_by_one(
    units: Iterable[Unit], options: DownloadOptions, runner: Runner
) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
    task = with_retries(download_asset, options)
    waiting: dict[int, tuple[Unit, list[Outcome]]] = {}

    def transfers() -> Iterator[tuple[int, Transfer]]:
        for unit in units:
            waiting[unit.number] = (unit, [])
            for transfer in unit.transfers:
                yield unit.number, transfer

    async def download(entry: tuple[int, Transfer]) -> tuple[int, Outcome]:
        number, transfer = entry
        try:
            return number, await runner.run(task, as_opaque(transfer), as_opaque(options))
        except Exception as error:
            if options.fail_fast or isinstance(error, CancelledRun):
                await runner.stop()
                raise
            return number, Failed(transfer.owner, transfer.key, error, transfer)

    limit = MAX_SUBMITTED if runner.submits else options.max_concurrent_downloads
    async with aclosing(bounded(download, transfers(), limit)) as done:
        async for number, outcome in done:
            unit, outcomes = waiting[number]
            outcomes.append(outcome)
            if len(outcomes) == len(unit.transfers):
                del waiting[number]
                yield unit, _merged(unit, outcomes)
    for unit, outcomes in waiting.values():  # Those of which nothing could be planned.
        yield unit, _merged(unit, outcomes)


def _merged(unit: Unit, outcomes: list[Outcome]) -> list[Outcome]:
    return [*(entry for entry in unit.planned if isinstance(entry, Failed)), *outcomes]


def as_opaque(value: _T) -> _T:
    """Returns an argument wrapped, so that Prefect does not search it for futures.

    Args:
        value: The argument of a task.
    """
    return opaque(value)  # type: ignore[return-value]
