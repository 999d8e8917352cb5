"""The flows that download one object with its assets: an item, or a collection."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, TypeVar

import pystac
from prefect import get_run_logger

from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.execution.states import flow_state
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.sources import options_for, read_one
from prefect_stac_asset.flows.orchestration.units import Unit, as_opaque
from prefect_stac_asset.flows.parameters.credentials import Credentials
from prefect_stac_asset.flows.parameters.destination import checked_directory
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.monitor import RunMonitor
from prefect_stac_asset.flows.reporting.report_file import open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult, report_path
from prefect_stac_asset.flows.tasks.rewrite import rewrite_item
from stac_asset.errors import NoAssetsError, SourceError
from stac_asset.plan.planner import Owner, Planner, document_name, owner_name
from stac_asset.redact import redact_href

_Owner = TypeVar("_Owner", bound=Owner)


@asset_flow(name="download-item", flow_run_name=run_name("download"))
async def download_item(
    source: Annotated[str, titled("Item")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> DownloadResult:
    """Downloads an item with its assets, and writes the item that says where they are now.

    Args:
        source: The item: the href of its document, a URL or a local path, or its JSON text. From
            Python, a pystac item as well.
        directory: The directory that will hold the item and its assets, on the machine of the
            run. A relative one is within the run's working directory.
        options: How to download.
        granularity: What a task run is: an `asset`, a `batch` of all assets, or `auto`.
        credentials: Saved blocks that hold credentials, one or several. The first one that is
            for an href is used for it.

    Returns:
        Where the item is, how many assets and bytes there are.

    Raises:
        SourceError: The document cannot be read, or is no STAC item.
        NoAssetsError: The item has no assets.
        DestinationError: The directory cannot be made, or written to.
        MissingCredentialError: A credential is missing.
        DownloadError: Assets failed; the others are there.
    """
    options = options_for(source, options)
    config = options.config()
    place = checked_directory(directory, config)
    send_library_logs()
    async with open_session(config, options.max_concurrent_downloads, credentials) as session:
        item = await _read(source, session, pystac.Item)
        if not item.assets:
            shown = redact_href(source)[:200]
            raise NoAssetsError(f"item '{item.id}' of '{shown}' has no assets to download")
        return await _download(item, document_name(item), place, options, granularity, session)


@asset_flow(name="download-collection", flow_run_name=run_name("download"))
async def download_collection(
    source: Annotated[str, titled("Collection")],
    directory: Annotated[str, titled("Directory")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    file_name: Annotated[str, titled("Name of the new document")] = "collection.json",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> DownloadResult:
    """Downloads a collection's own assets, and writes the collection as it is now.

    Its items are not downloaded: that is what `download_item_collection` is for.

    Args:
        source: The collection: the href of its document, or its JSON text. From Python, a pystac
            collection as well.
        directory: The directory that will hold the collection and its assets, on the machine of
            the run. A relative one is within the run's working directory.
        options: How to download.
        granularity: What a task run is: an `asset`, a `batch` of all assets, or `auto`.
        file_name: The name of the rewritten collection.
        credentials: Saved blocks that hold credentials, one or several. The first one that is
            for an href is used for it.

    Returns:
        Where the collection is, how many assets and bytes there are.

    Raises:
        SourceError: The document cannot be read, or is no STAC collection.
        DestinationError: The directory cannot be made, or written to.
        MissingCredentialError: A credential is missing.
        DownloadError: Assets failed; the others are there.
    """
    options = options_for(source, options)
    config = options.config()
    place = checked_directory(directory, config)
    send_library_logs()
    async with open_session(config, options.max_concurrent_downloads, credentials) as session:
        collection = await _read(source, session, pystac.Collection)
        return await _download(collection, file_name, place, options, granularity, session)


async def _read(source: str, session: Session, kind: type[_Owner]) -> _Owner:
    stac = await read_one(source, session)
    if not isinstance(stac, kind):
        raise SourceError(
            f"source '{redact_href(source)[:200]}' is no {kind.__name__.lower()} but a STAC "
            f"{type(stac).__name__}: there is a flow for each"
        )
    return stac


async def _download(
    owner: Owner,
    file_name: str,
    directory: Path,
    options: DownloadOptions,
    granularity: Granularity,
    session: Session,
) -> DownloadResult:
    started = time.monotonic()
    planner = Planner(directory, session.config)
    document = planner.document(owner_name(owner), file_name, owner.get_self_href())
    report_file = planner.document("the report", report_path(Path(file_name)).name)
    unit = Unit(0, owner, tuple(planner.assets(owner)))
    ahead = RunPreparation(options, granularity, session)
    ahead.add(unit)
    # The directory is there by then, and whatever lies in it may be made.
    inside = options.model_copy(update={"make_directory": True})
    with open_report(report_file, planner.directory) as report:
        async with RunMonitor(session, ahead.amount, options) as watch:
            await ahead.begin([unit])
            async for _, outcomes in ahead.download([unit]):
                report.add(outcomes)
                await rewrite_item(as_opaque(owner), as_opaque(outcomes), document, inside)
                await watch.add(owner, outcomes, document)
            result = report.finish(document, time.monotonic() - started)
            await watch.finish(result)
    get_run_logger().info("%s: %s", result.summary(), document)
    state: DownloadResult = flow_state(report.errors, report.total, session.config.warn, result)
    return state
