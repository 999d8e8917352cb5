"""Runs an audit without repairs, and confirms the differences if a run changes the mirror.

`audit.repair` calls `audit` before and after the repairs. `audit.comparison` finds the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from stac_asset.audit.comparison import compare, differences_of, summary_of
from stac_asset.audit.contents import Reported, content_differences
from stac_asset.audit.differences import Difference, RepairErrors
from stac_asset.audit.job import AuditJob
from stac_asset.audit.running_mirrors import (
    StateStamps,
    as_unfinished,
    has_unfinished,
    state_stamps,
)
from stac_asset.audit.summary import AuditSummary
from stac_asset.concurrency import in_executor
from stac_asset.destinations import VersionError
from stac_asset.destinations.part_names import lock_name, part_names
from stac_asset.errors import DestinationError
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.storage.open import open_storage
from stac_asset.notices import notice

_BATCH = 1000
"""Number of differences that a thread determines at a time."""

_REPEATED = (
    "A run of the mirror was in progress during the audit, or was killed before. The audit "
    "compared twice, and counts only differences of both comparisons"
)
"""The notice for a repeated comparison."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison of the mirror with the source."""

    summary: AuditSummary
    """The summary, without differences."""

    differences: list[Difference]

    stamps: StateStamps
    """The stamps of the state at the start."""

    has_unfinished: bool
    """Whether a run that is in progress, or was killed, started an item with a difference."""


async def audit(
    job: AuditJob,
    on_difference: Callable[[Difference], object],
    read_files: bool = False,
    repair_errors: RepairErrors = MappingProxyType({}),
) -> AuditSummary:
    """Compare a mirror with the source. No file is changed, and no asset is requested.

    If there are differences and a run of the mirror was in progress, the mirror is compared again.
    Only differences of both comparisons count.

    Args:
        job: The mirror and the source.
        on_difference: Called with each difference.
        read_files: Read all files, to compare the checksums.
        repair_errors: The errors of failed repairs, which the reasons of the differences contain.

    Returns:
        The summary of all differences.

    Raises:
        SourceError: The source cannot be read, or the mirror does not exist.
        ConfigError: The source does not support the search, or the directory is no mirror.
        DestinationError: A request failed.
    """
    found = await _repeated(job, read_files)
    if found.differences and await _may_have_changed(job, found):
        notice(_REPEATED)
        found = await _repeated(job, read_files, only=found.differences)
    for difference in found.differences:
        error = repair_errors.get((difference.key, difference.asset))
        shown = difference if error is None else difference.after_repair(error)
        found.summary.add(shown)
        on_difference(shown)
    return found.summary


async def _repeated(
    job: AuditJob, read_files: bool, only: Iterable[Difference] | None = None
) -> _Comparison:
    """Compare the mirror with the source, and again if a run replaced a listed document meanwhile.

    Raises:
        DestinationError: A run replaced documents in both comparisons, or a request failed.
    """
    try:
        return await _compare(job, read_files, only)
    except VersionError:
        notice(_REPEATED)
    try:
        return await _compare(job, read_files, only)
    except VersionError:
        raise DestinationError(
            f"Cannot audit '{job.directory}': a run of the mirror replaces documents. Start the "
            "audit after the run."
        ) from None


async def _compare(
    job: AuditJob, read_files: bool, only: Iterable[Difference] | None = None
) -> _Comparison:
    """Compare the mirror with the source.

    Args:
        job: The mirror and the source.
        read_files: Whether to read the files.
        only: The differences to look for. By default, all are.
    """
    wanted = {one.identity for one in only} if only is not None else None
    differences: list[Difference] = []
    async with job.open_mirror(writable=False) as (mirror, storage):
        stamps = await in_executor(storage.executor, state_stamps, storage)
        job.progress.begin(mirror)
        await compare(mirror)
        state = mirror.changes.state

        def add(difference: Difference) -> None:
            shown = as_unfinished(difference, state, storage)
            if wanted is None or shown.identity in wanted:
                differences.append(shown)
                job.progress.differences += 1

        found = differences_of(mirror, storage, _paths_of(job))
        reported: set[tuple[Key | None, str | None]] = set()
        while some := await in_executor(storage.executor, _take, found):
            for difference in some:
                add(difference)
                if read_files:
                    reported.add((difference.key, difference.asset))
        keys: Collection[Key] = state.rows
        if only is not None:
            keys = {one.key for one in only if one.key is not None and one.key in state.rows}
        if read_files and keys:
            await _read_files(job, keys, reported, add)
        return _Comparison(
            summary_of(mirror), differences, stamps, has_unfinished(differences, state)
        )


async def _read_files(
    job: AuditJob,
    keys: Collection[Key],
    reported: Reported,
    add: Callable[[Difference], object],
) -> None:
    """Read the files of items, and add the differences."""
    job.progress.files = 0

    def count() -> None:
        job.progress.files = (job.progress.files or 0) + 1

    reading = content_differences(
        job.directory, job.destinations, job.config, keys, reported, count
    )
    async with aclosing(reading) as corrupt:
        async for difference in corrupt:
            add(difference)


async def _may_have_changed(job: AuditJob, comparison: _Comparison) -> bool:
    """Return whether a run of the mirror may have changed files during a comparison."""
    if comparison.has_unfinished:
        return True
    async with open_storage(job.directory, job.destinations, writable=False) as storage:
        now = await in_executor(storage.executor, state_stamps, storage)
    return now != comparison.stamps


def _paths_of(job: AuditJob) -> tuple[str, ...]:
    """Return the paths of a report in the mirror, relative to the mirror."""
    base, report = f"{job.directory}/", str(job.report or "")
    if not report.startswith(base):
        return ()
    folder, slash, name = report.removeprefix(base).rpartition("/")
    part, note = part_names(name)
    return tuple(f"{folder}{slash}{file}" for file in (name, part, note, lock_name(part)))


def _take(differences: Iterator[Difference]) -> list[Difference]:
    return list(islice(differences, _BATCH))
