"""The tasks: the only place where Prefect meets the library.

Each takes plain values, so that any task runner can carry them, and is useful in a flow of one's
own. Nothing is cached: a cached result does not prove that a file is still on disk, and the files
themselves decide what is fetched.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pystac
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from flows.options import DownloadOptions
from flows.session import current_session
from flows.states import asset_state
from stac_asset.clients import Request, Stat
from stac_asset.files import write_document
from stac_asset.hrefs import parse_href
from stac_asset.retry import retrying
from stac_asset.rewrite import document_of, rewrite
from stac_asset.types import Outcome, Storage, Transfer


@task(task_run_name="client for {href}", cache_policy=NO_CACHE, persist_result=False)
async def resolve_client(href: str, options: DownloadOptions | None = None) -> str:
    """Returns the name of the client that claims an href, and makes sure that it can be made.

    Args:
        href: An absolute href; only its scheme and host matter.
        options: How to download.

    Raises:
        SchemeError: No client claims it.
        AccessError: A credential is missing.
    """
    config = (options or DownloadOptions()).config()
    async with current_session(config) as session:
        client = await session.clients.get_client(href)
        return client.name


@task(task_run_name="check {key}", cache_policy=NO_CACHE, persist_result=False)
async def check_asset_exists(
    key: str, href: str, options: DownloadOptions | None = None, storage: Storage | None = None
) -> Stat:
    """Returns what the source says of an asset, without downloading it.

    Args:
        key: The asset's key, which names the task run.
        href: The asset's absolute href.
        options: How to ask.
        storage: What the item says of the object store, if anything.

    Raises:
        StacAssetError: It does not exist, or cannot be had.
    """
    config = (options or DownloadOptions()).config()
    async with current_session(config) as session:
        client = await session.clients.get_client(href)
        request = Request(parse_href(href), storage=storage)
        async for attempt in retrying(config):
            with attempt:
                found = await client.stat(request)
    return found


@task(
    task_run_name="{transfer.owner_id}/{transfer.key}", cache_policy=NO_CACHE, persist_result=False
)
async def download_asset(
    transfer: Transfer, options: DownloadOptions | None = None
) -> State[Outcome]:
    """Downloads one asset: Completed, `Skipped`, `Warned`, or Failed with the asset's error.

    Args:
        transfer: What to download, as a plan gives it.
        options: How to download.

    Returns:
        The state, whose result is what became of the asset. A future of this task, and a call
        with `return_state=True`, have the same result.

    Raises:
        StacAssetError: Why it could not be downloaded.
    """
    config = (options or DownloadOptions()).config()
    async with current_session(config) as session:
        return asset_state(await session.engine.download(transfer), config)


@task(task_run_name="rewrite {item.id}", cache_policy=NO_CACHE, persist_result=False)
async def rewrite_item(
    item: pystac.Item,
    outcomes: list[Outcome],
    document: Path,
    options: DownloadOptions | None = None,
    keep_non_downloaded: bool = False,
) -> Path:
    """Writes the item as it is now: whose assets are the files that were downloaded.

    Args:
        item: The source item; it is not changed.
        outcomes: What became of its assets.
        document: Where the new document goes.
        options: How it was downloaded.
        keep_non_downloaded: Whether assets stay that were not wanted.

    Returns:
        Where the new document is.
    """
    config = (options or DownloadOptions()).config()
    new = rewrite(item, outcomes, config, document, keep_non_downloaded)
    data = json.dumps(document_of(new), indent=2, ensure_ascii=False).encode()
    await asyncio.to_thread(write_document, document, data, document.parent, config.make_directory)
    return document
