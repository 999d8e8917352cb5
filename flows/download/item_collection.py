"""The flow that downloads an item collection of any size with the assets of its items."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import pystac
from prefect import get_run_logger

from prefect_stac_asset.flows.download.items_file import ItemsFile, open_items_file
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.states import flow_state
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.sources import open_items, options_for
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials
from prefect_stac_asset.flows.parameters.destination import checked_directory
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.monitor import RunMonitor
from prefect_stac_asset.flows.reporting.report_file import Report, open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult, report_path
from stac_asset import Config
from stac_asset.plan.file_names import FolderTemplate
from stac_asset.plan.planner import Planner
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of

_KEPT = 10_000
"""Items and assets up to which they stay in memory; those of a larger run are read again."""


@asset_flow(name="download-item-collection", flow_run_name=run_name("download"))
async def download_item_collection(
    source: Annotated[str, titled("Items")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    path_template: Annotated[str, titled("Folder of each item")] = "${id}",
    file_name: Annotated[str, titled("Name of the new document")] = "item-collection.json",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> DownloadResult:
    """Downloads the items of a collection with their assets, and writes the items as they are now.

    The items are read one at a time, so there may be very many.

    Args:
        source: The items: an href (a JSON item collection, newline-delimited JSON, or
            stac-geoparquet), or JSON text. From Python, a pystac item collection as well.
        directory: The directory that will hold everything, on the machine of the run. A relative
            one is within the run's working directory.
        options: How to download.
        granularity: What a task run is: an `asset`, a `batch` of whole items, or `auto`: an asset
            up to 200 assets, and a batch beyond.
        path_template: Where an item's files go below the directory, such as
            `${collection}/${year}/${id}`.
        file_name: The name of the rewritten item collection.
        credentials: Saved blocks that hold credentials, one or several. The first one that is
            for an href is used for it.

    Returns:
        Where the rewritten item collection is, how many assets and bytes there are.

    Raises:
        SourceError: The items cannot be read, or are no STAC.
        DestinationError: The directory cannot be made, or written to.
        MissingCredentialError: A credential is missing.
        AssetOverwriteError: Two assets would share a file; nothing was downloaded.
        DownloadError: Assets failed; the others are there.
    """
    options = options_for(source, options)
    config = options.config()
    place = checked_directory(directory, config)
    send_library_logs()
    folders = FolderTemplate(path_template)
    limit = options.max_concurrent_downloads
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
        async with open_session(config, limit, credentials) as session:
            items = await open_items(source, session, Path(scratch))
            planner = Planner(place, config)
            document = planner.document("the item collection", file_name, items.base)
            report = planner.document("the report", report_path(Path(file_name)).name)
            # Once through all items before a byte moves: collisions, hosts, and how many there are.
            ahead = RunPreparation(options, granularity, session)
            kept = _look_through(_units(items, planner, folders), ahead)

            def units() -> Iterable[Unit]:
                return kept or _units(items, Planner(place, config), folders)

            watch = RunMonitor(session, ahead.amount, options)
            with open_report(report, place) as rows, open_items_file(document, place) as written:
                return await _download(units, ahead, watch, config, written, rows)


def _look_through(units: Iterable[Unit], ahead: RunPreparation) -> list[Unit]:
    """Returns all units, unless there are too many to keep."""
    kept: list[Unit] = []
    for unit in units:
        ahead.add(unit)
        if ahead.transfers + ahead.units <= _KEPT:
            kept.append(unit)
    return kept if len(kept) == ahead.units else []


def _units(
    items: Iterable[pystac.Item], planner: Planner, folders: FolderTemplate
) -> Iterator[Unit]:
    for number, item in enumerate(items):
        yield Unit(number, item, tuple(planner.assets(item, folders.folder(item))))


async def _download(
    units: Callable[[], Iterable[Unit]],
    ahead: RunPreparation,
    watch: RunMonitor,
    config: Config,
    items: ItemsFile,
    report: Report,
) -> DownloadResult:
    started = time.monotonic()
    async with watch:
        await ahead.begin(units())
        async with aclosing(ahead.download(units())) as done:
            async for unit, outcomes in done:
                assert isinstance(unit.owner, pystac.Item)
                report.add(outcomes)
                items.add(unit.number, document_of(rewrite(unit.owner, outcomes, config)))
                await watch.add(unit.owner, outcomes)
        items.finish()
        result = report.finish(items.path, time.monotonic() - started)
        await watch.finish(result)
    get_run_logger().info("%s: %s", result.summary(), result.document)
    state: DownloadResult = flow_state(report.errors, report.total, config.warn, result)
    return state
