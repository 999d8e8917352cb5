"""The function `sync_mirror`, which opens the connections of a run of a mirror."""

from __future__ import annotations

import os
import time
from pathlib import Path

from stac_asset.api.destinations import RunDestinations
from stac_asset.api.tracebacks import short_tracebacks
from stac_asset.clients.registry import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.directories import check_directory
from stac_asset.destinations.location import absolute, location_of
from stac_asset.destinations.output import open_output
from stac_asset.mirror.arguments import MirrorArguments
from stac_asset.mirror.layout import REPORT
from stac_asset.mirror.opening import open_mirror
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.notices import collect_notices
from stac_asset.sync.run import SyncRun
from stac_asset.sync.summary import SyncSummary
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.reporter import Reporter


@short_tracebacks
async def sync_mirror(
    source: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    search: Criteria | None = None,
    config: Config | None = None,
    *,
    on_removed: OnRemoved = "keep",
    max_items: int | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    reporter: Reporter | None = None,
    progress: bool = False,
) -> SyncSummary:
    """Mirror a STAC source into a directory. Items that are new or changed are downloaded.

    The arguments have the meanings of the parameters of the flow `sync`, and the mirror is the
    same. Runs of both can alternate. Only one run can update a mirror at a time.

    Args:
        source: URL of a STAC API, or URL or path of a static catalog or of a file with items.
        directory: Directory of the mirror, or URL of a prefix such as `s3://bucket/prefix`.
        search: Criteria that select the items. Default: all items.
        config: The configuration. Checksums are always written.
        on_removed: Action for items that left the source: `keep`, `mark` or `delete`.
        max_items: Maximum number of items per run.
        max_bytes: Maximum number of bytes to download per run.
        dry_run: Plan the changes, without downloading or removing files.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.
        reporter: Receives the progress of the transfers.
        progress: Show a progress bar on standard error.

    Returns:
        The counts of the run, and the errors of assets that failed. The next run retries them.

    Raises:
        SourceError: The source cannot be read, or is not a STAC source.
        ConfigError: An argument has an invalid value, or the source does not support the search.
        NoAssetsError: Items are new or changed, and `include` or `exclude` selects none of their
            assets.
        DestinationError: The directory cannot be written, or another run updates the mirror.
        StacAssetError: The first failure, if `fail_fast` is set.
    """
    started = time.monotonic()
    given = MirrorArguments.checked(source, search, config, on_removed, max_concurrent_downloads)
    config = given.config
    limits = RunSizeLimits(max_items, max_bytes)
    location = absolute(location_of(directory))
    if isinstance(location, Path):
        check_directory(location, config.make_directory, os.fspath(directory))
    with collect_notices():
        async with (
            RunDestinations(config, writable=not dry_run) as destinations,
            Clients(config) as clients,
        ):
            await destinations.prepare(str(location), not dry_run)
            opening = open_mirror(
                given.source,
                location,
                given.search,
                config,
                clients,
                destinations,
                writable=not dry_run,
                concurrency=max_concurrent_downloads,
            )
            async with opening as (mirror, storage):
                engine = Engine(
                    clients, config, destinations, max_concurrent_downloads=max_concurrent_downloads
                )
                if reporter is not None:
                    engine.reporter = reporter
                run = SyncRun(
                    mirror,
                    storage,
                    engine,
                    clients,
                    config,
                    limits,
                    on_removed,
                    max_concurrent_downloads,
                    started,
                )
                if dry_run:
                    return await run.plan(destinations)
                # In a directory, the lock of the report prevents concurrent runs on the mirror.
                async with open_output(location / REPORT, location, destinations) as report:
                    return await run.execute(report, progress)
