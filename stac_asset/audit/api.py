"""The function `audit_mirror`, which opens the connections of an audit."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from stac_asset.api.destinations import RunDestinations
from stac_asset.api.tracebacks import short_tracebacks
from stac_asset.audit.differences import DifferenceRow
from stac_asset.audit.job import AuditJob
from stac_asset.audit.repair import Downloads, RepairTools, run_audit
from stac_asset.audit.summary import AuditSummary
from stac_asset.clients.registry import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.location import Location, absolute, location_of
from stac_asset.mirror.arguments import MirrorArguments
from stac_asset.mirror.downloads import download_items
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.notices import collect_notices
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome
from stac_asset.verify.repair import Repair, repair_config
from stac_asset.verify.results import Bad
from stac_asset.verify.run import Repairs


def _ignore(_: object) -> None:
    pass


@short_tracebacks
async def audit_mirror(
    source: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    search: Criteria | None = None,
    config: Config | None = None,
    *,
    read_files: bool = False,
    repair: bool = False,
    on_removed: OnRemoved = "keep",
    on_row: Callable[[DifferenceRow], object] = _ignore,
    report: Location | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> AuditSummary:
    """Compare a mirror with the source, without downloading assets.

    The ids and versions of items, their assets, and the sizes of the files are compared. An item
    counts as extra only if the source gives the definite answer that the item does not exist.

    Args:
        source: URL of a STAC API, or URL or path of a static catalog or of a file with items, as
            for the mirror.
        directory: Directory of the mirror, or URL of a prefix such as `s3://bucket/prefix`.
        search: The search of the mirror. A relative time window includes all items that the mirror
            already has. Default: all items.
        config: The configuration of the mirror, such as `include`.
        read_files: Read all files, to compare the checksums.
        repair: Update missing and outdated items, and replace missing and corrupt files. Files of
            changed items are replaced or removed as in each run of the mirror.
        on_removed: With `repair`, the action for items that left the source: `keep`, `mark` or
            `delete`.
        on_row: Called with the row of each difference, and with those that were repaired.
        report: Absolute location of a file that the caller writes. In the mirror, this file needs
            no record.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.

    Returns:
        The number of remaining differences of each kind, and the first 100 of them.

    Raises:
        SourceError: The source cannot be read, or the mirror does not exist.
        ConfigError: The source does not support the search, or the directory is no mirror.
        NoAssetsError: Items differ, and no asset matches `include`.
        DestinationError: A run of the mirror is in progress, or a request failed.
    """
    given = MirrorArguments.checked(source, search, config, on_removed, max_concurrent_downloads)
    config = given.config
    location = absolute(location_of(directory))
    with collect_notices():
        async with (
            RunDestinations(config, writable=repair) as destinations,
            Clients(config) as clients,
        ):
            await destinations.prepare(str(location), repair)
            job = AuditJob(
                given.source,
                location,
                given.search,
                config,
                clients,
                destinations,
                report,
                max_concurrent_downloads,
            )
            tools = None
            if repair:
                tools = _repair_tools(job, destinations, on_removed, max_concurrent_downloads)
            return await run_audit(job, on_row, read_files, tools)


def _repair_tools(
    job: AuditJob, destinations: RunDestinations, on_removed: OnRemoved, limit: int
) -> RepairTools:
    """Return the repairs by an engine of this process."""
    engine = Engine(job.clients, job.config, destinations, max_concurrent_downloads=limit)

    async def prepare(mirror: MirrorUpdate) -> Downloads:
        return download_items(mirror, engine, limit)

    @asynccontextmanager
    async def open_repairs(_: Sequence[Bad]) -> AsyncIterator[Repairs]:
        changed = repair_config(job.config)
        async with Clients(changed) as clients:
            repairing = Engine(clients, changed, destinations, max_concurrent_downloads=limit)

            def run(repairs: Sequence[Repair]) -> AsyncGenerator[Outcome, None]:
                return repairing.run([planned.transfer for planned in repairs])

            yield Repairs(clients, changed, run)

    return RepairTools(prepare, open_repairs, on_removed)
