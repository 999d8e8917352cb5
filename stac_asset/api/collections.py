"""The public functions for items, collections and item collections: downloads and dry runs."""

from __future__ import annotations

import pystac

from stac_asset.api.dry_run import Plan, dry_run
from stac_asset.api.run import Run
from stac_asset.clients.base import Client
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.types import MessageQueue, PathLikeObject


async def download_item(
    item: pystac.Item,
    directory: PathLikeObject,
    file_name: str | None = None,
    infer_file_name: bool = True,
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
) -> pystac.Item:
    """Downloads an item to the local filesystem.

    Args:
        item: The item; it is not changed.
        directory: The output directory that will hold the item and its assets.
        file_name: The name of the item file to save. If not provided, it is inferred, or not
            saved.
        infer_file_name: If `file_name` is None, infer the file name from the item's id. This
            argument is unused if `file_name` is not None.
        config: The download configuration
        messages: An optional queue to use for progress reporting
        clients: Pre-configured clients to use for access; they stay open
        keep_non_downloaded: Keep all assets on the item, even if they're not downloaded.
        max_concurrent_downloads: How many assets are in work at once
        stream: If False, each file is read whole into memory before it is written

    Returns:
        A new item, with the updated asset hrefs and self href.

    Raises:
        NoAssetsError: The item doesn't have any assets (a ValueError).
        ConfigError: The configuration contradicts itself.
        AssetOverwriteError: Two assets would share a file; nothing was downloaded.
        DownloadError: Assets failed; the others, and the item with them, are there.
    """
    run = Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    work = run.plan_item(item, file_name, infer_file_name)
    return await run.download(item, work, keep_non_downloaded)


async def download_collection(
    collection: pystac.Collection,
    directory: PathLikeObject,
    file_name: str | None = "collection.json",
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
) -> pystac.Collection:
    """Downloads a collection's own assets to the local filesystem.

    Does not download the collection's items' assets -- use `download_item_collection` to
    download multiple items.

    Args:
        collection: A pystac collection; it is not changed.
        directory: The destination directory
        file_name: The name of the collection file to save. If None, it will not be saved.
        config: The download configuration
        messages: An optional queue to use for progress reporting
        clients: Pre-configured clients to use for access; they stay open
        keep_non_downloaded: Keep all assets, even if they're not downloaded.
        max_concurrent_downloads: How many assets are in work at once
        stream: If False, each file is read whole into memory before it is written

    Returns:
        A new collection, with updated asset hrefs

    Raises:
        CantIncludeAndExclude: Both include and exclude are set.
        ConfigError: The configuration contradicts itself.
        AssetOverwriteError: Two assets would share a file; nothing was downloaded.
        DownloadError: Assets failed; the others, and the collection with them, are there.
    """
    run = Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    work = run.plan_collection(collection, file_name)
    return await run.download(collection, work, keep_non_downloaded)


async def download_item_collection(
    item_collection: pystac.ItemCollection,
    directory: PathLikeObject,
    file_name: str | None = "item-collection.json",
    config: Config | None = None,
    messages: MessageQueue | None = None,
    clients: list[Client] | None = None,
    keep_non_downloaded: bool = False,
    path_template: str | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    stream: bool | None = None,
) -> pystac.ItemCollection:
    """Downloads an item collection to the local filesystem.

    Args:
        item_collection: The item collection to download; it is not changed.
        directory: The destination directory
        file_name: The name of the item collection file to save. If None, it will not be saved.
        config: The download configuration
        messages: An optional queue to use for progress reporting
        clients: Pre-configured clients to use for access; they stay open
        keep_non_downloaded: Keep all assets on the items, even if they're not downloaded.
        path_template: Where an item's files go below the directory, with the variables of
            `pystac.layout.LayoutTemplate`; `${id}` by default
        max_concurrent_downloads: How many assets are in work at once
        stream: If False, each file is read whole into memory before it is written

    Returns:
        A new item collection, with updated asset hrefs

    Raises:
        CantIncludeAndExclude: Both include and exclude are set.
        ConfigError: The configuration or the template is not valid.
        AssetOverwriteError: Two assets would share a file; nothing was downloaded.
        DownloadError: Assets failed; the others, and the collection with them, are there.
    """
    run = Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    work = run.plan_item_collection(item_collection, file_name, path_template)
    return await run.download_collection(item_collection, work, keep_non_downloaded)


async def plan_item(
    item: pystac.Item,
    directory: PathLikeObject,
    file_name: str | None = None,
    infer_file_name: bool = True,
    config: Config | None = None,
    clients: list[Client] | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Returns what `download_item` would do with the same arguments.

    Args:
        item: The item; it is not changed.
        directory: The output directory
        file_name: The name of the item file
        infer_file_name: If `file_name` is None, infer the file name from the item's id.
        config: The download configuration
        clients: Pre-configured clients to use for access; they stay open
        max_concurrent_downloads: How many sources are asked at once, at most

    Raises:
        NoAssetsError: The item doesn't have any assets (a ValueError).
        ConfigError: The configuration contradicts itself.
        AssetOverwriteError: Two assets would share a file.
    """
    run = Run(directory, config, clients=clients)
    return await dry_run(
        run, run.plan_item(item, file_name, infer_file_name), max_concurrent_downloads
    )


async def plan_collection(
    collection: pystac.Collection,
    directory: PathLikeObject,
    file_name: str | None = "collection.json",
    config: Config | None = None,
    clients: list[Client] | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Returns what `download_collection` would do with the same arguments.

    Args:
        collection: The collection; it is not changed.
        directory: The destination directory
        file_name: The name of the collection file
        config: The download configuration
        clients: Pre-configured clients to use for access; they stay open
        max_concurrent_downloads: How many sources are asked at once, at most

    Raises:
        ConfigError: The configuration contradicts itself.
        AssetOverwriteError: Two assets would share a file.
    """
    run = Run(directory, config, clients=clients)
    return await dry_run(run, run.plan_collection(collection, file_name), max_concurrent_downloads)


async def plan_item_collection(
    item_collection: pystac.ItemCollection,
    directory: PathLikeObject,
    file_name: str | None = "item-collection.json",
    config: Config | None = None,
    clients: list[Client] | None = None,
    path_template: str | None = None,
    max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
) -> Plan:
    """Returns what `download_item_collection` would do with the same arguments.

    Args:
        item_collection: The item collection; it is not changed.
        directory: The destination directory
        file_name: The name of the item collection file
        config: The download configuration
        clients: Pre-configured clients to use for access; they stay open
        path_template: Where an item's files go below the directory
        max_concurrent_downloads: How many sources are asked at once, at most

    Raises:
        ConfigError: The configuration or the template is not valid.
        AssetOverwriteError: Two assets would share a file.
    """
    run = Run(directory, config, clients=clients)
    work = run.plan_item_collection(item_collection, file_name, path_template)
    return await dry_run(run, work, max_concurrent_downloads)
