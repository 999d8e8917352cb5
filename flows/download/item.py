"""Flows `download_item` and `download_collection`: download a STAC object with assets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, TypeVar

import pystac
from prefect import get_run_logger

from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.monitoring.monitor import open_monitor
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.sources import options_for, read_one
from prefect_stac_asset.flows.orchestration.units import Unit, as_opaque
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.destination import checked_destination
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.planning.approval import ApproveAbove
from prefect_stac_asset.flows.planning.step import PlanStep
from prefect_stac_asset.flows.reporting.flow_state import flow_state
from prefect_stac_asset.flows.reporting.report_file import open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult, report_path
from prefect_stac_asset.flows.tasks.rewrite import rewrite_item
from stac_asset.destinations.location import Location
from stac_asset.errors import NoAssetsError
from stac_asset.plan.owners import Owner, document_name, owner_name
from stac_asset.plan.planner import Planner
from stac_asset.redact import redact_href
from stac_asset.stac.earlier_document import EarlierDocument, would_be_empty
from stac_asset.stac.earlier_files import keep_earlier_files
from stac_asset.stac.foreign_documents import check_replaceable
from stac_asset.stac.given import wrong_type
from stac_asset.stac.local_facts import facts_of

_Owner = TypeVar("_Owner", bound=Owner)


@asset_flow(
    ("resolve_client", "download_asset", "rewrite_item"),
    name="download-item",
    flow_run_name=run_name("download"),
)
async def download_item(
    source: Annotated[str, titled("Item")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    approve_above: Annotated[ApproveAbove | None, titled("Approval")] = None,
) -> DownloadResult:
    """Download the assets of an item, and write the item with the paths of the local files.

    Args:
        source: URL, local path or JSON text of the item. In Python, a pystac item is also accepted.
        directory: Directory for the item and its assets, on the machine that runs the flow, or the
            URL of a prefix such as `s3://bucket/prefix`. A relative path is relative to the
            working directory of the run.
        options: Options that select assets and configure the download.
        granularity: Work of one task run: an `asset`, a `batch` of all assets, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs, and runs with
            `concurrency_limits`, use a batch.
        credentials: Saved credential blocks, one or several. Each URL uses the first block
            that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.
        dry_run: Show the plan as a table, without downloading.
        approve_above: Limits above which a run waits for a person's approval.

    Returns:
        The path of the item, and the number of assets and bytes.

    Raises:
        SourceError: The document cannot be read, or is not a STAC item.
        NoAssetsError: The item has no assets, or no asset matches `include`.
        DestinationError: The directory cannot be created or written to.
        ConfigError: The options contradict each other, or the directory.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set.
    """
    options = options_for(source, options)
    config = options.config()
    destination = checked_destination(directory, config, destination_credentials)
    send_library_logs()
    limit = options.max_concurrent_downloads
    step = PlanStep(dry_run, approve_above, config)

    async def attempt() -> DownloadResult:
        async with open_session(
            config, limit, credentials, destination_credentials, options.budgets
        ) as session:
            await session.prepare(destination, writable=not dry_run)
            item = await _read(source, session, pystac.Item)
            if not item.assets:
                shown = redact_href(source)
                raise NoAssetsError(f"Item '{item.id}' from '{shown}' has no assets to download.")
            name = document_name(item)
            return await _download(item, name, destination, options, granularity, session, step)

    state: DownloadResult = await step.run(attempt)
    return state


@asset_flow(
    ("resolve_client", "download_asset", "rewrite_item"),
    name="download-collection",
    flow_run_name=run_name("download"),
)
async def download_collection(
    source: Annotated[str, titled("Collection")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    file_name: Annotated[str, titled("Name of the new document")] = "collection.json",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    approve_above: Annotated[ApproveAbove | None, titled("Approval")] = None,
) -> DownloadResult:
    """Download a collection's own assets, and write the collection with the paths of the files.

    The items of the collection are not downloaded. Use `download_item_collection` for items.

    Args:
        source: URL, local path or JSON text of the collection. In Python, a pystac collection is
            also accepted.
        directory: Directory for the collection and its assets, on the machine that runs the flow,
            or the URL of a prefix such as `s3://bucket/prefix`. A relative path is relative to the
            working directory of the run.
        options: Options that select assets and configure the download.
        granularity: Work of one task run: an `asset`, a `batch` of all assets, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs, and runs with
            `concurrency_limits`, use a batch.
        file_name: File name of the rewritten collection.
        credentials: Saved credential blocks, one or several. Each URL uses the first block
            that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.
        dry_run: Show the plan as a table, without downloading.
        approve_above: Limits above which a run waits for a person's approval.

    Returns:
        The path of the collection, and the number of assets and bytes.

    Raises:
        SourceError: The document cannot be read, or is not a STAC collection.
        NoAssetsError: No asset matches `include`.
        DestinationError: The directory cannot be created or written to.
        ConfigError: The options contradict each other, or the directory.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set.
    """
    options = options_for(source, options)
    config = options.config()
    destination = checked_destination(directory, config, destination_credentials)
    send_library_logs()
    limit = options.max_concurrent_downloads
    step = PlanStep(dry_run, approve_above, config)

    async def attempt() -> DownloadResult:
        async with open_session(
            config, limit, credentials, destination_credentials, options.budgets
        ) as session:
            await session.prepare(destination, writable=not dry_run)
            collection = await _read(source, session, pystac.Collection)
            return await _download(
                collection, file_name, destination, options, granularity, session, step
            )

    state: DownloadResult = await step.run(attempt)
    return state


async def _read(source: str, session: Session, kind: type[_Owner]) -> _Owner:
    stac = await read_one(source, session)
    if not isinstance(stac, kind):
        shown = "`source`" if is_text(source) else f"'{redact_href(source)}'"
        raise wrong_type(stac, kind, shown, "download")
    return stac


async def _download(
    owner: Owner,
    file_name: str,
    directory: Location,
    options: DownloadOptions,
    granularity: Granularity,
    session: Session,
    step: PlanStep,
) -> DownloadResult:
    started = time.monotonic()
    planner: Planner[Location] = Planner(directory, session.config, facts_of(directory))
    document = planner.document(owner_name(owner), file_name, owner.get_self_href())
    report_file = planner.document("the report", report_path(Path(file_name)).name)
    unit = Unit(0, owner, tuple(planner.assets(owner)))
    planner.check_selection()
    destination = session.destination_of(planner.directory)
    await check_replaceable(document, destination)
    state: DownloadResult | None = await step.check(
        lambda: [unit], session, document, report_file, planner.directory
    )
    if state is not None:
        return state
    preparation = RunPreparation(options, granularity, session)
    preparation.add(unit)
    written = document
    # `open_report` checks and creates the directory; folders in it may always be created.
    inside = options.model_copy(update={"make_directory": True})
    async with (
        open_report(report_file, planner.directory, session) as report,
        open_monitor(session, preparation.amount, options, planner.directory) as monitor,
    ):
        await preparation.begin(lambda: [unit])
        async for done, ended in preparation.download([unit]):
            if done.is_left:
                report.leave(done.transfers)
                continue
            earlier = EarlierDocument(document, destination)
            outcomes = await keep_earlier_files(owner, ended, earlier, session.config, destination)
            report.add(outcomes)
            await rewrite_item(as_opaque(owner), as_opaque(outcomes), document, inside)
            is_empty = would_be_empty(outcomes, session.config)
            written = report_file if is_empty else document
            await monitor.add(owner, outcomes, None if is_empty else document)
        result = await report.finish(document, time.monotonic() - started)
        await monitor.finish(result)
    get_run_logger().info("%s: %s", result.summary(), written)
    final: DownloadResult = flow_state(report.errors, report.total, session.config.warn, result)
    return final
