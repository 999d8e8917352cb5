"""Flow `verify`: verify a directory of downloads, and optionally repair bad files."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated, Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import name_of
from prefect_stac_asset.flows.execution.state_names import COMPLETED_WITH_WARNINGS, REPAIRED
from prefect_stac_asset.flows.execution.traces import open_traces, run_span
from prefect_stac_asset.flows.monitoring.check_metrics import open_check_metrics
from prefect_stac_asset.flows.parameters.credentials import (
    Credentials,
    DestinationCredentials,
    open_destinations,
    prepare_destination,
)
from prefect_stac_asset.flows.parameters.destination import destination_location, persistent_path
from prefect_stac_asset.flows.parameters.form import WithoutEffect, titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.report_file import open_rows, report_location
from prefect_stac_asset.flows.verification.repairs import open_repairs
from prefect_stac_asset.flows.verification.result import VerifyResult
from stac_asset.concurrency import in_thread
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location, StorePath
from stac_asset.mirror.unknown_files import (
    remove_unknown_files,
    unknown_files,
    unknown_objects,
)
from stac_asset.notices import collect_notices, notice, notice_lines
from stac_asset.verify.inventory import take_inventory
from stac_asset.verify.results import Summary
from stac_asset.verify.run import verify_files

_STATES = ("verified", "unverifiable", "missing", "wrong", "refused", "elsewhere")

_MAX_LISTED = 100
"""Maximum number of unreadable documents, and of part files, that a result lists."""

_WITHOUT_EFFECT = WithoutEffect(
    frozenset(
        {
            "absolute_hrefs",
            "check_first",
            "check_free_space",
            "error_strategy",
            "exclude",
            "expected_speed",
            "file_name_strategy",
            "include",
            "item_events",
            "lineage",
            "lineage_owners",
            "low_space_percent",
            "overwrite",
            "price_per_gb",
            "verify_existing",
            "write_checksums",
        }
    )
)
"""Options of documents, and of downloads that are no repairs."""


def _run_name() -> str:
    return name_of(f"verify {flow_run.parameters['directory']}")


@asset_flow(("resolve_client", "download_asset"), name="verify", flow_run_name=_run_name)
async def verify(
    directory: Annotated[str, titled("Directory")],
    repair: Annotated[bool, titled("Repair")] = False,
    options: Annotated[DownloadOptions | None, titled("Options"), _WITHOUT_EFFECT] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    report: Annotated[str | None, titled("Report")] = None,
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    remove_unknown: Annotated[bool, titled("Remove unknown files")] = False,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
) -> VerifyResult:
    """Verify the files of a directory against the sizes and checksums in STAC documents.

    The documents are all STAC items, collections and item collections in the directory and its
    subdirectories. STAC documents that were downloaded as assets count as data. Files outside of
    the directory are neither read nor repaired.

    Args:
        directory: Directory that a download flow wrote, or a directory with several of these. The
            URL of a prefix such as `s3://bucket/prefix` is also accepted.
        repair: Download missing and damaged files again, from the sources that the documents
            declare. The documents do not change, and new files must match them.
        options: Options of the repairs. With `warn`, the flow run completes even if files are bad.
            Sources may reference files on this machine only with `allow_local_hrefs`.
        granularity: Work of one task run of a repair: an `asset`, a `batch`, or `auto`. With
            `auto`, repairs of up to 200 assets use one task run per asset. Larger repairs, and
            repairs with `concurrency_limits`, use batches.
        report: Path of a report to write: newline-delimited JSON with one row per asset. With
            `destination_credentials`, the URL of an object is also accepted.
        credentials: Saved credential blocks for repairs, one or several. Each URL uses the first
            block that applies to it.
        remove_unknown: Remove files in mirrors that no record of the mirror names, such as files
            that earlier releases forgot, and files of your own. By default they are listed.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.

    Returns:
        The number of good and bad files, and the paths of files of interrupted downloads.

    Raises:
        SourceError: The directory does not exist, or contains no STAC document.
        DestinationError: The directory cannot be read.
        ConfigError: The parameters contradict each other.
        MissingCredentialError: A credential that a repair requires is not configured. No file was
            repaired.
        VerifyError: Files are missing or damaged, and `warn` is not set. With `repair`, only
            files that were not repaired count.
    """
    started = time.monotonic()
    options = options or DownloadOptions()
    send_library_logs()
    # Report contradictory options and unusable paths before the directory is read.
    config, block = options.config(), destination_credentials
    location = destination_location(directory, block) or persistent_path(directory)
    report_at = report_location(report, block)
    async with AsyncExitStack() as stack:
        stack.enter_context(collect_notices())
        stack.enter_context(run_span(open_traces()))
        metrics = await stack.enter_async_context(open_check_metrics(options))
        writes = repair or remove_unknown
        destinations = await stack.enter_async_context(open_destinations(block, config, writes))
        await prepare_destination(destinations, location, block, writes)
        unknown = await _find_unknown(location, destinations, report_at, remove_unknown)
        inventory = await take_inventory(str(location), destinations)
        opened = partial(
            open_repairs,
            options=options,
            granularity=granularity,
            credentials=credentials,
            destination_credentials=block,
        )
        async with open_rows(report_at, destinations) as write_row:
            repairs = opened if repair else None
            summary = await verify_files(inventory, repairs, write_row, config)
        counts = {state: summary.counts[state] for state in _STATES}
        result = VerifyResult(
            directory=str(inventory.directory),
            documents=len(inventory.documents),
            **counts,
            repaired=summary.repaired,
            bytes=summary.bytes,
            bad=summary.first,
            unreadable=[found.path for found in inventory.unreadable[:_MAX_LISTED]],
            leftovers=list(inventory.leftovers[:_MAX_LISTED]),
            unknown=unknown[:_MAX_LISTED],
            unknown_removed=len(unknown) if remove_unknown else 0,
            report=str(report_at) if report_at is not None else None,
            seconds=round(time.monotonic() - started, 3),
        )
        if inventory.leftovers:
            count, first = len(inventory.leftovers), inventory.leftovers[0]
            get_run_logger().warning(
                "%d part files and resume notes of interrupted downloads found, such as %s",
                count,
                first,
            )
        metrics.finish(counts, summary.error is None or options.warn)
        state: VerifyResult = _state(summary, options.warn, result)
        return state


async def _find_unknown(
    directory: Location, destinations: Destinations, report: Location | None, remove: bool
) -> list[str]:
    """Return the unknown files of mirrors, and remove them on request.

    Raises:
        DestinationError: A run of a mirror is in progress, or a file cannot be removed.
    """
    keep = () if report is None else (str(report),)
    if isinstance(directory, StorePath):
        found = await unknown_objects(directory, destinations, remove, keep)
    else:
        find = remove_unknown_files if remove else unknown_files
        found = await in_thread(find, directory, keep)
    condition = f"Files that no record of a mirror names were {'removed' if remove else 'found'}"
    for path in found:
        notice(condition, path)
    return found


def _state(summary: Summary, warn: bool, result: VerifyResult) -> Any:
    """Return the final state of the flow run. Prefect gives the caller the result in the state.

    Raises:
        VerifyError: Files are bad, and `warn` is False.
    """
    error = summary.error
    if error is None:
        name = REPAIRED if summary.repaired else None
        message = ". ".join([str(summary), *notice_lines()])
        return Completed(name=name, message=message, data=result)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
