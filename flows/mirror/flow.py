"""Flow `sync`: mirror a STAC source, downloading items that are new or changed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from prefect_stac_asset.flows.distribution.parameter import Distribute
from prefect_stac_asset.flows.distribution.target import target_of
from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.mirror.run import SyncFlowRun
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.destination import checked_destination
from prefect_stac_asset.flows.parameters.form import WithoutEffect, titled
from prefect_stac_asset.flows.parameters.mirror import MirrorBlock, required
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.planning.approval import ApproveAbove
from prefect_stac_asset.flows.planning.step import PlanStep
from prefect_stac_asset.flows.reporting.report_file import open_report
from stac_asset.destinations.location import Location
from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.layout import REPORT
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import open_storage

_WITHOUT_EFFECT = WithoutEffect(frozenset({"write_checksums"}), refused=frozenset({"check_first"}))


@asset_flow(("resolve_client", "download_asset"), name="sync", flow_run_name=run_name("sync"))
async def sync(
    source: Annotated[str | None, titled("Source")] = None,
    directory: Annotated[str | None, titled("Directory")] = None,
    search: Annotated[Search, titled("Search")] = Search(),  # noqa: B008 # never modified
    options: Annotated[DownloadOptions | None, titled("Options"), _WITHOUT_EFFECT] = None,
    on_removed: Annotated[OnRemoved, titled("Removed items")] = "keep",
    max_items: Annotated[int | None, titled("Maximum number of items")] = None,
    max_bytes: Annotated[int | None, titled("Maximum number of bytes")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
    approve_above: Annotated[ApproveAbove | None, titled("Approval")] = None,
    distribute: Distribute = None,
    mirror: Annotated[MirrorBlock | None, titled("Mirror")] = None,
) -> SyncResult:
    """Mirror a STAC source into a directory. Each run downloads items that are new or changed.

    The directory is a static STAC catalog. It also holds the state that the next run needs.

    Args:
        source: URL of a STAC API, or URL or local path of a static catalog or of a file with items
            (JSON item collection, newline-delimited JSON or stac-geoparquet).
        directory: Directory of the mirror, on the machine that runs the flow, or the URL of a
            prefix such as `s3://bucket/prefix`. A relative path is relative to the working
            directory of the run.
        search: Criteria that select the items to mirror.
        options: Options that select assets and configure the download. Checksums are always
            written.
        on_removed: Action for items that were removed from the source: `keep` them unchanged,
            `mark` them as deprecated, or `delete` them with their files.
        max_items: Maximum number of items per run. Further items are left for the next run.
        max_bytes: Maximum number of bytes to download per run. Further items are left for the next
            run.
        dry_run: Show the planned changes as a table, without downloading or removing files.
        granularity: Work of one task run: an `asset`, a `batch` of whole items, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs, and runs with
            `concurrency_limits`, use batches.
        credentials: Saved credential blocks, one or several. Each URL, including that of a STAC
            API, uses the first block that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.
        approve_above: Limits above which a run waits for a person's approval.
        distribute: Name of a deployment of the flow `download-batch`, whose runs download the
            items on the machines of its work pool. Requires a `directory` in an object store.
        mirror: Saved block `MirrorUpdate` in place of the other parameters, except `dry_run`.

    Returns:
        The location of the catalog, and the number of items, assets and bytes.

    Raises:
        SourceError: The source cannot be read, or is not a STAC source.
        ConfigError: A parameter has an invalid value. The message names the parameter.
        DestinationError: The directory cannot be created or written to.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set. The next run retries the failed items.
    """
    started = time.monotonic()
    source, directory = required(source, directory)
    options = (options or DownloadOptions()).model_copy(update={"write_checksums": True})
    config = options.config()
    destination = checked_destination(directory, config, destination_credentials)
    criteria = search.criteria()
    RunSizeLimits(max_items, max_bytes)  # Reports an invalid limit before the first request.
    _check_supported(source, options)
    target = await target_of(distribute, destination)
    send_library_logs()
    limit = options.max_concurrent_downloads
    step = PlanStep(dry_run, approve_above, config)

    async def attempt() -> SyncResult:
        limits = RunSizeLimits(max_items, max_bytes)
        with (
            tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch,
            tempfile.TemporaryFile() as documents,
        ):
            async with (
                open_session(
                    config, limit, credentials, destination_credentials, options.budgets
                ) as session,
                _opened_storage(destination, session, not dry_run, limit) as storage,
            ):
                remote = await open_source(source, session.clients, config, Path(scratch))
                await remote.check(criteria)
                changes = MirrorUpdate(
                    storage,
                    remote,
                    criteria,
                    config,
                    session.clients,
                    datetime.now(UTC),
                    documents,
                )
                run = SyncFlowRun(
                    changes,
                    storage,
                    session,
                    options,
                    granularity,
                    limits,
                    on_removed,
                    step,
                    started,
                    target,
                )
                if dry_run:
                    state: SyncResult = await run.dry_run()
                    return state
                # In a directory, the lock of the report prevents concurrent runs on the mirror.
                async with open_report(destination / REPORT, destination, session) as report:
                    state = await run.execute(report)
                    return state

    final: SyncResult = await step.run(attempt)
    return final


def _check_supported(source: str, options: DownloadOptions) -> None:
    """Check the values that other flows accept.

    Raises:
        SourceError: The source is JSON text.
        ConfigError: `check_first` is set.
    """
    if is_text(source):
        raise SourceError(
            "`source` is JSON text. Set `source` to the URL of a STAC API, or to the URL or path "
            "of a catalog or file."
        )
    if options.check_first:
        raise ConfigError(
            "`check_first` is not supported by `sync`, because the next run retries failed items. "
            "Set `check_first=False`."
        )


@asynccontextmanager
async def _opened_storage(
    directory: Location, session: Session, writable: bool, limit: int
) -> AsyncIterator[MirrorStorage]:
    """Open the files of the mirror, before the first request to the source."""
    await session.prepare(directory, writable)
    async with open_storage(
        directory, session.destinations, writable, concurrency=limit
    ) as storage:
        yield storage
