"""The flow that downloads an item collection of any size with the assets of its items."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import pystac
from prefect import get_run_logger

from flows.credentials import Credentials
from flows.execute import Unit, download_units
from flows.existence import check_first
from flows.form import titled
from flows.logs import send_library_logs
from flows.options import DownloadOptions, Granularity
from flows.outputs import ItemsFile, Report
from flows.report import DownloadResult, report_path
from flows.resolve import Hosts
from flows.session import open_session
from flows.sources import open_items, options_for
from flows.stac_flow import run_name, stac_flow
from flows.states import flow_state
from flows.watch import Amount, Watch
from stac_asset import Config
from stac_asset.names import FolderTemplate
from stac_asset.plan import Planner
from stac_asset.rewrite import document_of, rewrite
from stac_asset.types import Outcome

_KEPT = 10_000
"""Items and assets up to which they stay in memory; those of a larger run are read again."""


@stac_flow(name="download-item-collection", flow_run_name=run_name("download"))
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
        MissingCredentialError: A credential is missing.
        AssetOverwriteError: Two assets would share a file; nothing was downloaded.
        DownloadError: Assets failed; the others are there.
    """
    options = options_for(source, options)
    config = options.config()
    send_library_logs()
    folders = FolderTemplate(path_template)
    limit = options.max_concurrent_downloads
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
        async with open_session(config, limit, credentials) as session:
            items = await open_items(source, session, Path(scratch))
            planner = Planner(Path(directory), config)
            document = planner.document("the item collection", file_name)
            report = planner.document("the report", report_path(Path(file_name)).name)
            # Once through all items before a byte moves: collisions, hosts, and how many there are.
            total, count, amount, hosts = 0, 0, Amount(), Hosts(session.clients)
            kept: list[Unit] = []
            for unit in _units(items, planner, folders):
                total += len(unit.transfers)
                count += 1
                amount.add(unit.planned)
                hosts.add(unit.transfers)
                if total + count <= _KEPT:
                    kept.append(unit)
            await hosts.resolve(options)
            if len(kept) < count:
                kept.clear()

            def units() -> Iterable[Unit]:
                return kept or _units(items, Planner(planner.directory, config), folders)

            if options.check_first:
                await check_first(units(), total, granularity, options, session)
            work = download_units(units(), total, granularity, options, session)
            return await _download(work, Watch(session, amount, options), config, document, report)


def _units(
    items: Iterable[pystac.Item], planner: Planner, folders: FolderTemplate
) -> Iterator[Unit]:
    for number, item in enumerate(items):
        yield Unit(number, item, tuple(planner.assets(item, folders.folder(item))))


async def _download(
    work: AsyncGenerator[tuple[Unit, list[Outcome]], None],
    watch: Watch,
    config: Config,
    document: Path,
    report_file: Path,
) -> DownloadResult:
    started, directory = time.monotonic(), document.parent
    with Report(report_file, directory) as report, ItemsFile(document, directory) as items:
        async with watch, aclosing(work) as done:
            async for unit, outcomes in done:
                assert isinstance(unit.owner, pystac.Item)
                report.add(outcomes)
                items.add(unit.number, document_of(rewrite(unit.owner, outcomes, config)))
                await watch.add(unit.owner, outcomes)
            items.finish()
            result = report.finish(document, time.monotonic() - started)
            await watch.finish(result)
    get_run_logger().info("%s: %s", result.summary(), document)
    state: DownloadResult = flow_state(report.errors, report.total, config.warn, result)
    return state
