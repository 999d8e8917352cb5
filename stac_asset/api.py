"""The public functions: they join plan, transfer and rewrite, and turn failures into errors."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import pystac

from stac_asset.clients.base import Client
from stac_asset.clients.routes import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.errors import DestinationError, DownloadError, DownloadWarning, NoAssetsError
from stac_asset.files import write_document
from stac_asset.names import FolderTemplate
from stac_asset.plan import Planner, document_name, owner_name
from stac_asset.rewrite import document_of, rewrite, rewrite_collection
from stac_asset.transfer import Engine
from stac_asset.types import Failed, MessageQueue, Outcome, PathLikeObject, Transfer

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


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
    run = _Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    if not item.assets:
        raise NoAssetsError(f"item '{item.id}' has no assets to download")
    if file_name is None and infer_file_name:
        file_name = document_name(item)
    return await run.one(item, file_name, keep_non_downloaded)


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
    run = _Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    return await run.one(collection, file_name, keep_non_downloaded)


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
    run = _Run(directory, config, messages, clients, max_concurrent_downloads, stream)
    return await run.many(item_collection, file_name, keep_non_downloaded, path_template)


class _Run:
    """One call of a download function: what is common to all three."""

    def __init__(
        self,
        directory: PathLikeObject,
        config: Config | None,
        messages: MessageQueue | None,
        clients: list[Client] | None,
        max_concurrent_downloads: int,
        stream: bool | None,
    ) -> None:
        self._config = config.copy() if config is not None else Config()
        self._config.validate()
        self._planner = Planner(Path(directory), self._config)
        self._clients = Clients(self._config, clients)
        self._engine = Engine(
            self._clients, self._config, messages, max_concurrent_downloads, stream
        )

    async def one(self, owner: _Owner, file_name: str | None, keep: bool) -> _Owner:
        document = self._planner.document(owner_name(owner), file_name) if file_name else None
        outcomes = await self._download(list(self._planner.assets(owner)))
        new = rewrite(owner, outcomes, self._config, document, keep)
        if document is not None:
            await self._write(document, document_of(new))
        self._raise_or_warn(outcomes)
        return new

    async def many(
        self, items: pystac.ItemCollection, file_name: str | None, keep: bool, template: str | None
    ) -> pystac.ItemCollection:
        document = self._planner.document("the item collection", file_name) if file_name else None
        folders = FolderTemplate(template) if template is not None else FolderTemplate()
        planned = [list(self._planner.assets(item, folders.folder(item))) for item in items]
        # Items may share an id, so each keeps its own plan; a transfer's identity says whose it is.
        of_item = {id(entry): index for index, plan in enumerate(planned) for entry in plan}
        outcomes: list[list[Outcome]] = [[] for _ in planned]
        everything = await self._download([entry for plan in planned for entry in plan])
        for outcome in everything:
            outcomes[of_item[id(_planned(outcome))]].append(outcome)
        new = rewrite_collection(
            items,
            (
                rewrite(item, found, self._config, None, keep)
                for item, found in zip(items, outcomes, strict=True)
            ),
        )
        if document is not None:
            await self._write(document, document_of(new))
        self._raise_or_warn(everything)
        return new

    async def _download(self, planned: Iterable[Transfer | Failed]) -> list[Outcome]:
        self._check_directory()
        outcomes: list[Outcome] = []
        transfers = []
        for entry in planned:
            if isinstance(entry, Failed):
                if self._config.fail_fast:
                    raise entry.error
                outcomes.append(entry)
            else:
                transfers.append(entry)
        async with self._clients, aclosing(self._engine.run(transfers)) as arriving:
            async for outcome in arriving:
                if isinstance(outcome, Failed) and self._config.fail_fast:
                    raise outcome.error
                outcomes.append(outcome)
        return outcomes

    def _check_directory(self) -> None:
        directory = self._planner.directory
        if not self._config.make_directory and not directory.is_dir():
            raise DestinationError(
                f"the directory {directory} does not exist: make it, or set make_directory=True"
            )

    async def _write(self, path: Path, document: dict[str, Any]) -> None:
        data = json.dumps(document, indent=2, ensure_ascii=False).encode(errors="surrogatepass")
        await asyncio.to_thread(
            write_document, path, data, self._planner.directory, self._config.make_directory
        )

    def _raise_or_warn(self, outcomes: list[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        if not errors:
            return
        if not self._config.warn:
            raise DownloadError(errors, total=len(outcomes))
        for error in errors:
            warnings.warn(str(error), DownloadWarning, stacklevel=4)


def _planned(outcome: Outcome) -> Transfer | Failed:
    if isinstance(outcome, Failed):
        return outcome.transfer or outcome
    return outcome.transfer
