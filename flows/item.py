"""The flow that downloads one item with its assets."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pystac
from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.utilities.annotations import opaque

from flows.options import DownloadOptions
from flows.report import DownloadResult, report_path, write_report
from flows.session import Session, open_session
from flows.states import flow_state
from flows.tasks import check_asset_exists, download_asset, resolve_client, rewrite_item
from stac_asset import Config
from stac_asset.errors import HrefError, NoAssetsError, SchemeError, SourceError
from stac_asset.hrefs import parse_href
from stac_asset.plan import Planner, document_name, owner_name
from stac_asset.pool import bounded
from stac_asset.redact import redact_href
from stac_asset.source import read_stac
from stac_asset.types import Failed, Outcome, Transfer

_T = TypeVar("_T")


def _run_name() -> str:
    source, directory = (flow_run.parameters.get(name) for name in ("source", "directory"))
    return f"download {redact_href(str(source)).rpartition('/')[2]} to {directory}"


@flow(name="download-item", flow_run_name=_run_name)
async def download_item(
    source: str, directory: str, options: DownloadOptions | None = None
) -> DownloadResult:
    """Downloads an item with its assets, and writes the item that says where they are now.

    Args:
        source: The href of the item's document: a URL or a local path.
        directory: The directory that will hold the item and its assets.
        options: How to download.

    Returns:
        Where the item is, how many assets and bytes there are.

    Raises:
        SourceError: The document cannot be read, or is no STAC item.
        NoAssetsError: The item has no assets.
        DownloadError: Assets failed; the others are there.
    """
    options = options or DownloadOptions()
    config = options.config()
    started = time.monotonic()
    async with open_session(config) as session:
        item = await _read_item(source, session)
        planner = Planner(Path(directory), config)
        document = planner.document(owner_name(item), document_name(item))
        report = planner.document("the report", report_path(document).name)
        planned = list(planner.assets(item))
        transfers = [entry for entry in planned if isinstance(entry, Transfer)]
        outcomes: list[Outcome] = [entry for entry in planned if isinstance(entry, Failed)]
        await _resolve_clients(transfers, options)
        if options.check_first:
            await _check(transfers, options)
        outcomes += await _download(transfers, options, config)
        await rewrite_item(_whole(item), _whole(outcomes), document, options)
    write_report(outcomes, report)
    result = DownloadResult.of(
        outcomes, planner.directory, document, report, time.monotonic() - started
    )
    get_run_logger().info(
        "%d downloaded, %d skipped, %d failed: %s",
        result.downloaded,
        result.skipped,
        result.failed,
        document,
    )
    state: DownloadResult = flow_state(outcomes, config, result)
    return state


async def _read_item(source: str, session: Session) -> pystac.Item:
    stac = await read_stac(source, session.clients, session.config)
    shown = redact_href(source)
    if not isinstance(stac, pystac.Item):
        raise SourceError(f"source '{shown}' is no item but a STAC {type(stac).__name__}")
    if not stac.assets:
        raise NoAssetsError(f"item '{stac.id}' of '{shown}' has no assets to download")
    return stac


async def _resolve_clients(transfers: Iterable[Transfer], options: DownloadOptions) -> None:
    """Makes the clients of all hosts, so that a missing credential is found before anything else.

    An href that no client claims is the trouble of its own asset, and left to that.
    """
    hosts: dict[tuple[str, str | None], str] = {}
    for transfer in transfers:
        for candidate in transfer.candidates:
            try:
                url = parse_href(candidate.href)
            except HrefError:
                continue
            href = f"{url.scheme}://{url.authority}/" if url.host else candidate.href
            hosts.setdefault((url.scheme, url.host), href)
    for href in hosts.values():
        try:
            await resolve_client(href, options)
        except SchemeError:
            continue


async def _check(transfers: list[Transfer], options: DownloadOptions) -> None:
    async def check(transfer: Transfer) -> None:
        found = transfer.candidates[0]
        await check_asset_exists(transfer.key, found.href, options, found.storage)

    async for _ in bounded(check, transfers, options.max_concurrent_downloads):
        pass


async def _download(
    transfers: list[Transfer], options: DownloadOptions, config: Config
) -> list[Outcome]:
    async def download(transfer: Transfer) -> Outcome:
        try:
            state = await download_asset(_whole(transfer), _whole(options))
            return await state.aresult()
        except Exception as error:
            if config.fail_fast:
                raise
            return Failed(transfer.owner, transfer.key, error, transfer)

    return [found async for found in bounded(download, transfers, options.max_concurrent_downloads)]


def _whole(value: _T) -> _T:
    """Returns an argument wrapped, so that Prefect does not search it for futures."""
    return opaque(value)  # type: ignore[return-value]
