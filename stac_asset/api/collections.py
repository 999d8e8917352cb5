"""Public functions for items, collections and item collections: downloads and dry runs."""

from __future__ import annotations

import pystac

from stac_asset.api.dry_run import Plan, dry_run
from stac_asset.api.run import Run
from stac_asset.api.tracebacks import short_tracebacks
from stac_asset.clients.base import Client
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.notices import collect_notices
from stac_asset.stac.given import (
    CollectionLike,
    ItemCollectionLike,
    ItemLike,
    read_given,
)
from stac_asset.types import MessageQueue, PathLikeObject


@short_tracebacks
async def download_item(
    item: ItemLike,
    directory: PathLikeObject,
    file_name: str | None = None,
    infer_file_name: bool = True,
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
    progress: bool = False,
) -> pystac.Item:
    """Download an item with all selected assets.

    Args:
        item: The item, or its href, path, JSON text or document. The object is not modified.
        directory: The destination of the item and the assets: a directory, or a prefix of a bucket
            such as `s3://bucket/prefix`.
        file_name: The name of the item document. Default: see `infer_file_name`.
        infer_file_name: If no `file_name` is given, derive the name from the item id. If False, no
            document is written.
        config: The download configuration.
        messages: A queue for progress messages.
        clients: Clients to use before all others. The clients stay open.
        keep_non_downloaded: Keep assets on the item that were not selected for download.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.
        stream: If False, each file is read into memory as a whole before it is written.
        progress: Show a progress bar on standard error.

    Returns:
        A new item with updated asset hrefs and self href.

    Raises:
        SourceError: The item cannot be read, or is of another type.
        NoAssetsError: The item has no assets, or no asset matches `include` (a ValueError).
        ConfigError: The configuration is invalid.
        DownloadError: Assets failed. The document and all other assets were written. If all assets
            failed, no document is written, unless `error_strategy` is KEEP.
        StacAssetError: The first failure, if `fail_fast` is set. No document is written.
    """
    with collect_notices():
        run = Run(directory, config, messages, clients, max_concurrent_downloads, stream, progress)
        async with run.open():
            await run.prepare()
            found, _ = await read_given(
                item, pystac.Item, "item", "download", run.clients, run.config
            )
            work = run.planner.plan_item(found, file_name, infer_file_name)
            return await run.download(found, work, keep_non_downloaded)


@short_tracebacks
async def download_collection(
    collection: CollectionLike,
    directory: PathLikeObject,
    file_name: str | None = "collection.json",
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
    progress: bool = False,
) -> pystac.Collection:
    """Download the assets of a collection.

    The items of the collection and their assets are not downloaded. Use
    `download_item_collection` to download several items.

    Args:
        collection: The collection, or its href, path, JSON text or document. The object is not
            modified.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        file_name: The name of the collection document. If None, no document is written.
        config: The download configuration.
        messages: A queue for progress messages.
        clients: Clients to use before all others. The clients stay open.
        keep_non_downloaded: Keep assets on the collection that were not selected for download.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.
        stream: If False, each file is read into memory as a whole before it is written.
        progress: Show a progress bar on standard error.

    Returns:
        A new collection with updated asset hrefs and self href.

    Raises:
        SourceError: The document cannot be read, or is of another type.
        CannotIncludeAndExclude: `include` and `exclude` are both set.
        ConfigError: The configuration is invalid.
        NoAssetsError: No asset matches `include` (a ValueError).
        DownloadError: Assets failed. The document and all other assets were written. If all assets
            failed, no document is written, unless `error_strategy` is KEEP.
        StacAssetError: The first failure, if `fail_fast` is set. No document is written.
    """
    with collect_notices():
        run = Run(directory, config, messages, clients, max_concurrent_downloads, stream, progress)
        async with run.open():
            await run.prepare()
            found, _ = await read_given(
                collection, pystac.Collection, "collection", "download", run.clients, run.config
            )
            work = run.planner.plan_collection(found, file_name)
            return await run.download(found, work, keep_non_downloaded)


@short_tracebacks
async def download_item_collection(
    item_collection: ItemCollectionLike,
    directory: PathLikeObject,
    file_name: str | None = "item-collection.json",
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    path_template: str | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
    progress: bool = False,
) -> pystac.ItemCollection:
    """Download an item collection with all selected assets.

    Args:
        item_collection: The item collection, an iterable of items or documents, or an href, a path,
            JSON text or a document. Files may be JSON, newline-delimited JSON or stac-geoparquet.
            The objects are not modified.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        file_name: The name of the item collection document, in which hrefs of downloaded files are
            relative to the document. If None, no document is written.
        config: The download configuration.
        messages: A queue for progress messages.
        clients: Clients to use before all others. The clients stay open.
        keep_non_downloaded: Keep assets on the items that were not selected for download.
        path_template: The folder of an item's files, relative to the directory. Supports the
            variables of `pystac.layout.LayoutTemplate`. Default: `${id}`.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.
        stream: If False, each file is read into memory as a whole before it is written.
        progress: Show a progress bar on standard error.

    Returns:
        A new item collection, in which hrefs of downloaded files are absolute.

    Raises:
        SourceError: The document cannot be read, or is of another type.
        CannotIncludeAndExclude: `include` and `exclude` are both set.
        ConfigError: The configuration or `path_template` is invalid.
        NoAssetsError: No asset matches `include` (a ValueError).
        DownloadError: Assets failed. The document and all other assets were written. If all assets
            failed, no document is written, unless `error_strategy` is KEEP.
        StacAssetError: The first failure, if `fail_fast` is set. No document is written.
    """
    with collect_notices():
        run = Run(directory, config, messages, clients, max_concurrent_downloads, stream, progress)
        async with run.open():
            await run.prepare()
            found, href = await read_given(
                item_collection,
                pystac.ItemCollection,
                "item_collection",
                "download",
                run.clients,
                run.config,
            )
            work = run.planner.plan_item_collection(found, file_name, path_template, href)
            return await run.download_item_collection(found, work, keep_non_downloaded)


@short_tracebacks
async def plan_item(
    item: ItemLike,
    directory: PathLikeObject,
    file_name: str | None = None,
    infer_file_name: bool = True,
    config: Config | None = None,
    clients: list[Client] | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Plan a call of `download_item` with the same arguments, without downloading.

    Args:
        item: The item, or its href, path, JSON text or document. The object is not modified.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        file_name: The name of the item document. Default: see `infer_file_name`.
        infer_file_name: If no `file_name` is given, derive the name from the item id.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.
        max_concurrent_downloads: Maximum number of sources checked at the same time.

    Raises:
        SourceError: The item cannot be read, or is of another type.
        NoAssetsError: The item has no assets, or no asset matches `include` (a ValueError).
        ConfigError: The configuration is invalid.
    """
    with collect_notices():
        run = Run(directory, config, clients=clients)
        async with run.open():
            found, _ = await read_given(item, pystac.Item, "item", "plan", run.clients, run.config)
            work = run.planner.plan_item(found, file_name, infer_file_name)
            return await dry_run(run, work, max_concurrent_downloads)


@short_tracebacks
async def plan_collection(
    collection: CollectionLike,
    directory: PathLikeObject,
    file_name: str | None = "collection.json",
    config: Config | None = None,
    clients: list[Client] | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Plan a call of `download_collection` with the same arguments, without downloading.

    Args:
        collection: The collection, or its href, path, JSON text or document. The object is not
            modified.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        file_name: The name of the collection document.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.
        max_concurrent_downloads: Maximum number of sources checked at the same time.

    Raises:
        SourceError: The collection cannot be read, or is of another type.
        ConfigError: The configuration is invalid.
        NoAssetsError: No asset matches `include` (a ValueError).
    """
    with collect_notices():
        run = Run(directory, config, clients=clients)
        async with run.open():
            found, _ = await read_given(
                collection, pystac.Collection, "collection", "plan", run.clients, run.config
            )
            work = run.planner.plan_collection(found, file_name)
            return await dry_run(run, work, max_concurrent_downloads)


@short_tracebacks
async def plan_item_collection(
    item_collection: ItemCollectionLike,
    directory: PathLikeObject,
    file_name: str | None = "item-collection.json",
    config: Config | None = None,
    clients: list[Client] | None = None,
    path_template: str | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Plan a call of `download_item_collection` with the same arguments, without downloading.

    Args:
        item_collection: The item collection, an iterable of items or documents, or an href, a path,
            JSON text or a document. Files may be JSON, newline-delimited JSON or stac-geoparquet.
            The objects are not modified.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        file_name: The name of the item collection document.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.
        path_template: The folder of an item's files, relative to the directory.
        max_concurrent_downloads: Maximum number of sources checked at the same time.

    Raises:
        SourceError: The items cannot be read, or are of another type.
        ConfigError: The configuration or `path_template` is invalid.
        NoAssetsError: No asset matches `include` (a ValueError).
    """
    with collect_notices():
        run = Run(directory, config, clients=clients)
        async with run.open():
            found, href = await read_given(
                item_collection,
                pystac.ItemCollection,
                "item_collection",
                "plan",
                run.clients,
                run.config,
            )
            work = run.planner.plan_item_collection(found, file_name, path_template, href)
            return await dry_run(run, work, max_concurrent_downloads)
