"""Runs an audit without repairs: opens the mirror and the source, and reports all differences.

`audit.repair` calls `audit` before and after the repairs. `audit.comparison` finds the differences.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import islice

from stac_asset.audit.comparison import compare, differences_of, summary_of
from stac_asset.audit.contents import content_differences
from stac_asset.audit.differences import Difference
from stac_asset.audit.summary import AuditSummary
from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_executor
from stac_asset.config import Config
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.destinations.part_names import lock_name, part_names
from stac_asset.mirror.opening import open_mirror
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import MAX_CONCURRENCY

_BATCH = 1000
"""Number of differences that a thread determines at a time."""


@dataclass(frozen=True, slots=True)
class AuditJob:
    """A mirror, and the source with which the mirror is compared."""

    source: str
    """Href of the source."""

    directory: Location
    """The absolute location of the mirror."""

    criteria: Criteria
    """The search of the mirror."""

    config: Config
    """The configuration: the wanted assets, and options of requests."""

    clients: Clients
    """The clients that read the source."""

    destinations: Destinations
    """The destinations of the run."""

    report: Location | None = None
    """The location of the report, which can be in the mirror."""

    concurrency: int = MAX_CONCURRENCY
    """Maximum number of documents of an object store that are read or written at the same time."""

    @asynccontextmanager
    async def open_mirror(
        self, writable: bool
    ) -> AsyncIterator[tuple[MirrorUpdate, MirrorStorage]]:
        """Open a new run of the mirror.

        Args:
            writable: Whether the run writes.

        Raises:
            SourceError: The source cannot be read, or the mirror does not exist.
            ConfigError: The source does not support the search, or the directory is no mirror.
            DestinationError: Another run updates the mirror, or a request failed.
        """
        opening = open_mirror(
            self.source,
            self.directory,
            self.criteria,
            self.config,
            self.clients,
            self.destinations,
            writable=writable,
            must_exist=True,
            concurrency=self.concurrency,
        )
        async with opening as opened:
            yield opened


async def audit(
    job: AuditJob, on_difference: Callable[[Difference], object], read_files: bool = False
) -> AuditSummary:
    """Compare a mirror with the source. No file is changed, and no asset is requested.

    Args:
        job: The mirror and the source.
        on_difference: Called with each difference.
        read_files: Read all files, to compare the checksums.

    Returns:
        The summary of all differences.

    Raises:
        SourceError: The source cannot be read, or the mirror does not exist.
        ConfigError: The source does not support the search, or the directory is no mirror.
        DestinationError: A request failed.
    """
    async with job.open_mirror(writable=False) as (mirror, storage):
        await compare(mirror)
        summary = summary_of(mirror)

        def add(difference: Difference) -> None:
            summary.add(difference)
            on_difference(difference)

        reported: set[tuple[Key | None, str | None]] = set()
        found = differences_of(mirror, storage, _paths_of(job))
        while some := await in_executor(storage.executor, _take, found):
            for difference in some:
                add(difference)
                if read_files:
                    reported.add((difference.key, difference.asset))
        rows = mirror.changes.state.rows
        if read_files and rows:
            reading = content_differences(
                job.directory, job.destinations, job.config, rows, reported
            )
            async with aclosing(reading) as corrupt:
                async for difference in corrupt:
                    add(difference)
        return summary


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
