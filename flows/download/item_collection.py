"""Flow `download_item_collection`: download the assets of an item collection.

Item collections of any size are supported: items are read and written one at a time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import pystac
from prefect import get_run_logger

from prefect_stac_asset.flows.distribution.parameter import (
    Distribute,
    open_distribution,
    shares_beside,
)
from prefect_stac_asset.flows.distribution.target import target_of
from prefect_stac_asset.flows.download.earlier_items import EarlierItems
from prefect_stac_asset.flows.download.items_file import ItemsFile, open_items_file
from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.monitoring.monitor import RunMonitor, open_monitor
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.sources import LocalItems, open_items, options_for
from prefect_stac_asset.flows.orchestration.units import Unit, unit_of
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.destination import checked_destination
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.planning.approval import ApproveAbove
from prefect_stac_asset.flows.planning.step import PlanStep
from prefect_stac_asset.flows.reporting.flow_state import flow_state
from prefect_stac_asset.flows.reporting.report_file import Report, open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult, report_path
from stac_asset.destinations.location import Location
from stac_asset.plan.file_names import FolderTemplate
from stac_asset.plan.planner import Planner
from stac_asset.stac.foreign_documents import check_replaceable
from stac_asset.stac.local_facts import facts_of

_MAX_KEPT = 10_000
"""Maximum number of items plus assets to keep in memory. Larger collections are read twice."""


# Prefect can load this module by path. A dataclass cannot be defined in such a module.
class _Paths(NamedTuple):
    """The directory and the documents that a run writes."""

    directory: Location
    document: Location
    report: Location


@asset_flow(
    ("resolve_client", "download_asset"),
    name="download-item-collection",
    flow_run_name=run_name("download"),
)
async def download_item_collection(
    source: Annotated[str, titled("Items")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    path_template: Annotated[str, titled("Folder of each item")] = "${id}",
    file_name: Annotated[str, titled("Name of the new document")] = "item-collection.json",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    approve_above: Annotated[ApproveAbove | None, titled("Approval")] = None,
    distribute: Distribute = None,
) -> DownloadResult:
    """Download the assets of items, and write the items with the paths of the local files.

    Items are read one at a time, so item collections of any size are supported.

    Args:
        source: URL, local path or JSON text of the items. Files may be JSON item collections,
            newline-delimited JSON or stac-geoparquet. In Python, a pystac item collection is also
            accepted.
        directory: Directory for the items and their assets, on the machine that runs the flow, or
            the URL of a prefix such as `s3://bucket/prefix`. A relative path is relative to the
            working directory of the run.
        options: Options that select assets and configure the download.
        granularity: Work of one task run: an `asset`, a `batch` of whole items, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs, and runs with
            `concurrency_limits`, use batches.
        path_template: Folder of each item within the directory, such as
            `${collection}/${year}/${id}`.
        file_name: File name of the rewritten item collection.
        credentials: Saved credential blocks, one or several. Each URL uses the first block
            that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.
        dry_run: Show the plan as a table, without downloading.
        approve_above: Limits above which a run waits for a person's approval.
        distribute: Name of a deployment of the flow `download-batch`, whose runs download the
            items on the machines of its work pool. Requires a `directory` in an object store.

    Returns:
        The path of the rewritten item collection, and the number of assets and bytes.

    Raises:
        SourceError: The items cannot be read, or are not STAC items.
        DestinationError: The directory cannot be created or written to.
        ConfigError: The options contradict each other, or the directory.
        MissingCredentialError: A required credential is not configured.
        NoAssetsError: No asset matches `include`.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set.
    """
    options = options_for(source, options)
    config = options.config()
    destination = checked_destination(directory, config, destination_credentials)
    target = await target_of(distribute, destination)
    send_library_logs()
    folders = FolderTemplate(path_template)
    limit = options.max_concurrent_downloads
    step = PlanStep(dry_run, approve_above, config)

    async def attempt() -> DownloadResult:
        with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
            async with open_session(
                config, limit, credentials, destination_credentials, options.budgets
            ) as session:
                await session.prepare(destination, writable=not dry_run)
                items = await open_items(source, session, Path(scratch))
                facts = facts_of(destination)
                planner: Planner[Location] = Planner(destination, config, facts)
                document = planner.document("the item collection", file_name, items.base)
                report = planner.document("the report", report_path(Path(file_name)).name)
                there = session.destination_of(planner.directory)
                await check_replaceable(document, there)
                # Read all items before the first download, to detect path collisions and missing
                # credentials and to count the assets.
                distribution = await open_distribution(
                    None if dry_run else target,
                    shares_beside(document, destination),
                    options,
                    granularity,
                    session,
                )
                preparation = RunPreparation(options, granularity, session, distribution)
                kept = _prepare(_units(items, planner, folders), preparation)
                planner.check_selection()
                preparation.check_configuration()

                def units() -> Iterable[Unit]:
                    again = kept or _units(items, Planner(destination, config, facts), folders)
                    return (
                        replace(one, planned=tuple(planner.settled(one.planned))) for one in again
                    )

                planned: DownloadResult | None = await step.check(
                    units, session, document, report, planner.directory
                )
                if planned is not None:
                    return planned
                earlier = EarlierItems(document, config, planner, there)
                paths = _Paths(planner.directory, document, report)
                return await _reported(units, preparation, session, options, paths, earlier)

    final: DownloadResult = await step.run(attempt)
    return final


def _prepare(units: Iterable[Unit], preparation: RunPreparation) -> list[Unit]:
    """Prepare the run of all units. Return the units, or an empty list beyond `_MAX_KEPT`."""
    kept: list[Unit] = []
    for unit in units:
        preparation.add(unit)
        if preparation.transfers + preparation.units <= _MAX_KEPT:
            kept.append(unit)
    return kept if len(kept) == preparation.units else []


def _units(
    items: LocalItems, planner: Planner[Location], folders: FolderTemplate
) -> Iterator[Unit]:
    for number, entry in enumerate(items):
        valid = entry if isinstance(entry, pystac.Item) else None
        yield unit_of(number, entry, planner.item_assets(valid, folders) if valid else ())


async def _reported(
    units: Callable[[], Iterable[Unit]],
    preparation: RunPreparation,
    session: Session,
    options: DownloadOptions,
    paths: _Paths,
    earlier: EarlierItems,
) -> DownloadResult:
    """Download the units, report the run, and return the final state of the flow."""
    async with (
        open_report(paths.report, paths.directory, session) as rows,
        open_items_file(paths.document, paths.directory, session.destinations) as written,
    ):
        async with open_monitor(session, preparation.amount, options, paths.directory) as monitor:
            result = await _download(units, preparation, monitor, written, rows, earlier)
        get_run_logger().info("%s: %s", result.summary(), result.document)
        state: DownloadResult = flow_state(rows.errors, rows.total, session.config.warn, result)
        return state


async def _download(
    units: Callable[[], Iterable[Unit]],
    preparation: RunPreparation,
    monitor: RunMonitor,
    items: ItemsFile,
    report: Report,
    earlier: EarlierItems,
) -> DownloadResult:
    started = time.monotonic()
    await preparation.begin(units)
    async with aclosing(preparation.download(units())) as done:
        async for unit, ended in done:
            if unit.is_left:
                report.leave(unit.transfers)
                items.add(unit.number, await earlier.kept(unit))
                continue
            outcomes, document = await earlier.rewritten(unit, ended)
            report.add(outcomes)
            items.add(unit.number, document)
            await monitor.add(unit.owner, outcomes)
    if not await earlier.is_left():
        await items.finish()
    result = await report.finish(items.path, time.monotonic() - started)
    await preparation.finish()
    await monitor.finish(result)
    return result
