"""Flow `audit`: compare a mirror with the source, and optionally repair the differences."""

from __future__ import annotations

import time
from typing import Annotated, Any

from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.auditing.progress import progress_shown
from prefect_stac_asset.flows.auditing.repairs import repair_tools
from prefect_stac_asset.flows.auditing.reporting import counts_of, report_result
from prefect_stac_asset.flows.auditing.result import AuditResult
from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.state_names import COMPLETED_WITH_WARNINGS, REPAIRED
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.monitoring.check_metrics import open_check_metrics
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.destination import destination_location, persistent_path
from prefect_stac_asset.flows.parameters.form import WithoutEffect, titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.reporting.report_file import open_rows, report_location
from stac_asset.audit.job import AuditJob
from stac_asset.audit.repair import run_audit
from stac_asset.audit.summary import AuditSummary
from stac_asset.errors import SourceError
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.notices import notice_lines

_WITHOUT_EFFECT = WithoutEffect(
    frozenset(
        {
            "check_first",
            "item_events",
            "lineage",
            "low_space_percent",
            "overwrite",
            "verify_existing",
            "write_checksums",
        }
    )
)
"""Options of downloads that are no repairs."""


@asset_flow(("resolve_client", "download_asset"), name="audit", flow_run_name=run_name("audit"))
async def audit(
    source: Annotated[str, titled("Source")],
    directory: Annotated[str, titled("Directory")],
    search: Annotated[Search, titled("Search")] = Search(),  # noqa: B008 # never modified
    options: Annotated[DownloadOptions | None, titled("Options"), _WITHOUT_EFFECT] = None,
    read_files: Annotated[bool, titled("Read all files")] = False,
    repair: Annotated[bool, titled("Repair")] = False,
    on_removed: Annotated[OnRemoved, titled("Removed items")] = "keep",
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    report: Annotated[str | None, titled("Report")] = None,
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
) -> AuditResult:
    """Compare a mirror with the source, without downloading assets.

    Ids and versions of items, their assets, and the sizes of files are compared. Give the source,
    the search, `include` and `exclude` of the flow `sync`.

    Args:
        source: URL of a STAC API, or URL or local path of a static catalog or of a file with items,
            as for `sync`.
        directory: Directory of the mirror, on the machine that runs the flow, or the URL of a
            prefix such as `s3://bucket/prefix`.
        search: Criteria that select the items of the mirror. A relative time window includes all
            items that the mirror already has.
        options: Options that select assets, and configure requests and repairs. With `warn`, the
            flow run completes even if there are differences.
        read_files: Read all files, to compare the checksums.
        repair: Update missing and outdated items, and download missing and corrupt files again.
        on_removed: With `repair`, the action for items that left the source: `keep` them unchanged,
            `mark` them as deprecated, or `delete` them with their files.
        granularity: Work of one task run of a repair: an `asset`, a `batch`, or `auto`.
        report: Path of a report to write: newline-delimited JSON with one row per difference. With
            `destination_credentials`, the URL of an object is also accepted.
        credentials: Saved credential blocks, one or several. Each URL, including that of a STAC
            API, uses the first block that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.

    Returns:
        Whether the mirror is complete, and the number of differences of each kind.

    Raises:
        SourceError: The source cannot be read, or the directory has no mirror.
        ConfigError: A parameter has an invalid value. The message names the parameter.
        DestinationError: A run of the mirror is in progress, or the directory cannot be read.
        MissingCredentialError: A required credential is not configured.
        AuditError: There are differences, or the source did not return all items, and `warn` is not
            set. With `repair`, only differences that were not repaired count.
    """
    started = time.monotonic()
    if is_text(source):
        raise SourceError(
            "`source` is JSON text. Set `source` to the URL of a STAC API, or to the URL or path "
            "of a catalog or file."
        )
    options = (options or DownloadOptions()).model_copy(
        update={"write_checksums": True, "check_first": False}
    )
    config, block = options.config(), destination_credentials
    criteria = search.criteria()
    location = destination_location(directory, block) or persistent_path(directory)
    report_at = report_location(report, block)
    send_library_logs()
    limit = options.max_concurrent_downloads
    async with (
        open_check_metrics(options) as metrics,
        open_session(config, limit, credentials, block, options.budgets) as session,
    ):
        await session.prepare(location, repair)
        job = AuditJob(
            source,
            location,
            criteria,
            config,
            session.clients,
            session.destinations,
            report_at,
            limit,
        )
        tools = None
        if repair:
            tools = repair_tools(session, options, granularity, on_removed, credentials, block)
        async with (
            progress_shown(job.progress),
            open_rows(report_at, session.destinations) as write_row,
        ):
            summary = await run_audit(job, write_row, read_files, tools)
        seconds = time.monotonic() - started
        report_path = str(report_at) if report_at is not None else None
        result = AuditResult.of(str(location), summary, report_path, seconds)
        get_run_logger().info("%s", summary)
        await report_result(result, str(summary), options)
        metrics.finish(counts_of(result), summary.error is None or options.warn, summary.complete)
        state: AuditResult = _state(summary, options.warn, result)
        return state


def _state(summary: AuditSummary, warn: bool, result: AuditResult) -> Any:
    """Return the final state of the flow run. Prefect gives the caller the result in the state.

    Raises:
        AuditError: There are differences, and `warn` is False.
    """
    error = summary.error
    if error is None:
        message = ". ".join([str(summary), *notice_lines()])
        return Completed(name=REPAIRED if summary.repaired else None, message=message, data=result)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
