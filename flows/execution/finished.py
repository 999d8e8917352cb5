"""Outcomes of earlier attempts of a flow run, so that a retry does not download files again.

Without `overwrite`, a retry finds the existing files. With `overwrite`, the process knows the files
that the flow run has already replaced: the outcomes are kept in memory while the flow has retries
left. A retry in another process, such as one that a user starts in Prefect's UI, compares the times
of the files with the start of the flow run.
"""

from __future__ import annotations

import dataclasses
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from prefect.context import FlowRunContext

from stac_asset import Config
from stac_asset.destinations import Declared, Destination, Destinations
from stac_asset.destinations.location import is_store
from stac_asset.errors import StacAssetError
from stac_asset.transfer.existing import declared_by, find_existing
from stac_asset.types import Candidate, Failed, Outcome, Skipped, Transfer

_MAX_RUNS = 4
"""Maximum number of flow runs with kept outcomes."""


_CLOCK_DIFFERENCE = 60.0
"""Seconds by which the clocks of the Prefect server and of the file system may differ.

Files that are written so soon after the start of a flow run are downloaded again by its retries.
"""


@dataclass(slots=True)
class _Attempts:
    """The outcomes of the attempts of a flow run."""

    number: int
    """Number of the current attempt, from 1."""

    earlier: dict[Transfer, Outcome] = field(default_factory=dict)
    current: dict[Transfer, Outcome] = field(default_factory=dict)


_runs: OrderedDict[UUID, _Attempts] = OrderedDict()


async def earlier_outcome(transfer: Transfer, destinations: Destinations) -> Outcome | None:
    """Return the outcome of a transfer in an earlier attempt, if the file exists.

    Args:
        transfer: The planned transfer.
        destinations: The destinations of the run.
    """
    attempts = _attempts()
    outcome = attempts.earlier.get(transfer) if attempts is not None else None
    return outcome if outcome is not None and await has_file(outcome, destinations) else None


async def find_replaced(
    transfer: Transfer, config: Config, destinations: Destinations
) -> Skipped | None:
    """Return the outcome of a transfer, if an earlier attempt of the flow run replaced the file.

    Args:
        transfer: The planned transfer.
        config: The configuration, with `overwrite`.
        destinations: The destinations of the run.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.run_count < 2 or run.start_time is None:
        return None
    since = run.start_time.timestamp() + _CLOCK_DIFFERENCE
    return await find_written(transfer, since, config, destinations)


async def find_written(
    transfer: Transfer, since: float, config: Config, destinations: Destinations
) -> Skipped | None:
    """Return the outcome of a transfer, if its file is valid and was written after a time.

    Args:
        transfer: The planned transfer.
        since: The time in seconds since the epoch, by the clock of the destination.
        config: The configuration.
        destinations: The destinations of the run.
    """
    destination = destinations.destination_of(transfer.directory)
    checked = config.copy()
    checked.overwrite = False
    try:
        written = tuple(
            [one for one in transfer.candidates if await _is_written_since(one, since, destination)]
        )
        if not written:
            return None
        known = dataclasses.replace(transfer, candidates=written)
        found = await find_existing(known, declared_by(transfer), checked, destination)
    except StacAssetError:
        return None  # The download raises the error.
    return None if found is None else dataclasses.replace(found, transfer=transfer)


def remember(outcome: Outcome) -> None:
    """Keep an outcome for the next attempt of the flow run, if the flow has retries left.

    Args:
        outcome: The outcome of a transfer that replaces existing files.
    """
    context, attempts = FlowRunContext.get(), _attempts()
    if context is None or attempts is None or isinstance(outcome, Failed):
        return
    flow = context.flow
    if flow is not None and (flow.retries or 0) >= attempts.number:
        attempts.current[outcome.transfer] = outcome


async def has_file(outcome: Outcome, destinations: Destinations) -> bool:
    """Return whether the file of an outcome still exists with the same size.

    Args:
        outcome: The outcome of a transfer.
        destinations: The destinations of the run.
    """
    if isinstance(outcome, Failed):
        return False
    path = outcome.candidate.path
    if is_store(path):
        destination = destinations.destination_of(outcome.transfer.directory)
        try:
            key = destination.key_of(path)
            return await destination.existing(key, Declared(outcome.size), "size") is not None
        except StacAssetError:
            return False
    try:
        return os.stat(path).st_size == outcome.size
    except OSError:
        return False


async def _is_written_since(candidate: Candidate, since: float, destination: Destination) -> bool:
    if is_store(candidate.path):
        key = destination.key_of(candidate.path)
        listed = [one async for one in destination.list_files(key) if one.key == key]
        return any(one.changed > since for one in listed)
    try:
        return os.stat(candidate.path).st_mtime > since
    except (OSError, ValueError):
        return False


def _attempts() -> _Attempts | None:
    """Return the attempts of the current flow run, or None for a run without retries."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if context is None or run is None or context.flow is None or not context.flow.retries:
        return None
    attempts = _runs.setdefault(run.id, _Attempts(run.run_count))
    if attempts.number < run.run_count:
        attempts.number = run.run_count
        attempts.earlier |= attempts.current
        attempts.current = {}
    while len(_runs) > _MAX_RUNS:
        _runs.popitem(last=False)
    return attempts
