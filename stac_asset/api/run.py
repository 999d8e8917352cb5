"""One run of a download: joins plan, transfer and rewrite, and turns failures into errors."""

from __future__ import annotations

import warnings
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from pathlib import Path
from typing import TypeVar

import pystac

from stac_asset.clients.base import Client
from stac_asset.clients.registry import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import DestinationError, DownloadError, DownloadWarning, NoAssetsError
from stac_asset.plan.file_names import FolderTemplate
from stac_asset.plan.planner import Planner, document_name, owner_name
from stac_asset.plan.work import PlannedRun
from stac_asset.rewrite.rewriter import rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.transfer.engine import Engine
from stac_asset.types import Failed, MessageQueue, Outcome, PathLikeObject, Transfer

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


class Run:
    """One call of a download function, or of its dry run: what is common to all of them.

    Args:
        directory: The directory that no file may leave.
        config: The configuration; a copy is used.
        messages: Where progress is reported, if anywhere.
        clients: The caller's own clients; or the `Clients` of a larger whole. Both stay open.
        max_concurrent_downloads: How many assets are in work at once.
        stream: If False, each file is read whole into memory before it is written.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    config: Config
    """The configuration, validated."""

    clients: Clients
    """The clients of the run."""

    directory: Path
    """The absolute path of the directory."""

    outcomes: list[Outcome]
    """What became of each asset, as far as the run has come."""

    def __init__(
        self,
        directory: PathLikeObject,
        config: Config | None = None,
        messages: MessageQueue | None = None,
        clients: Clients | list[Client] | None = None,
        max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        stream: bool | None = None,
    ) -> None:
        self.config = config.copy() if config is not None else Config()
        self.config.validate()
        self.outcomes = []
        self._planner = Planner(Path(directory), self.config)
        self.directory = self._planner.directory
        self._shared = isinstance(clients, Clients)
        self.clients = clients if isinstance(clients, Clients) else Clients(self.config, clients)
        self.destinations = LocalDestinations(self.config.make_directory)
        self._engine = Engine(
            self.clients,
            self.config,
            self.destinations,
            messages,
            max_concurrent_downloads,
            stream,
        )

    def plan_item(
        self, item: pystac.Item, file_name: str | None = None, infer_file_name: bool = True
    ) -> PlannedRun:
        """Plans an item. The arguments are those of `download_item`.

        Raises:
            NoAssetsError: The item doesn't have any assets.
            AssetOverwriteError: Two assets would share a file.
        """
        if not item.assets:
            raise NoAssetsError(f"item '{item.id}' has no assets to download")
        if file_name is None and infer_file_name:
            file_name = document_name(item)
        return self._plan_one(item, file_name)

    def plan_collection(self, collection: pystac.Collection, file_name: str | None) -> PlannedRun:
        """Plans a collection's own assets. The arguments are those of `download_collection`.

        Raises:
            AssetOverwriteError: Two assets would share a file.
        """
        return self._plan_one(collection, file_name)

    def plan_item_collection(
        self,
        items: pystac.ItemCollection,
        file_name: str | None,
        path_template: str | None,
        source: str | None = None,
    ) -> PlannedRun:
        """Plans an item collection. The arguments are those of `download_item_collection`.

        An item collection does not know where it was read from: who does says it as `source`.

        Raises:
            ConfigError: The template is not valid.
            AssetOverwriteError: Two assets would share a file.
        """
        document = self._document("the item collection", file_name, source)
        folders = FolderTemplate(path_template) if path_template is not None else FolderTemplate()
        planned = [list(self._planner.assets(item, folders.folder(item))) for item in items]
        return self._work(planned, document)

    def _plan_one(
        self, owner: pystac.Item | pystac.Collection, file_name: str | None
    ) -> PlannedRun:
        document = self._document(owner_name(owner), file_name, owner.get_self_href())
        return self._work([list(self._planner.assets(owner))], document)

    def _document(self, owner: str, file_name: str | None, source: str | None) -> Path | None:
        return self._planner.document(owner, file_name, source) if file_name else None

    def _work(self, planned: list[list[Transfer | Failed]], document: Path | None) -> PlannedRun:
        if not self.config.make_directory and not self.directory.is_dir():
            raise DestinationError(
                f"the directory {self.directory} does not exist: make it, or set "
                "make_directory=True"
            )
        return PlannedRun(planned, document)

    async def download(self, owner: _Owner, work: PlannedRun, keep_non_downloaded: bool) -> _Owner:
        """Downloads what was planned of one item or collection, and writes its document.

        Args:
            owner: The item or collection; it is not changed.
            work: What was planned of it.
            keep_non_downloaded: Whether assets stay on it that were not wanted.

        Returns:
            The rewritten object.

        Raises:
            DownloadError: Assets failed; everything else is done.
        """
        outcomes = (await self._download(work))[0]
        new = rewrite(owner, outcomes, self.config, work.document, keep_non_downloaded)
        await self._write(new, work.document)
        self._raise_or_warn()
        return new

    async def download_collection(
        self, items: pystac.ItemCollection, work: PlannedRun, keep_non_downloaded: bool
    ) -> pystac.ItemCollection:
        """Downloads what was planned of an item collection, and writes its document.

        Args:
            items: The item collection; it is not changed.
            work: What was planned of it.
            keep_non_downloaded: Whether assets stay on its items that were not wanted.

        Returns:
            The rewritten object.

        Raises:
            DownloadError: Assets failed; everything else is done.
        """
        outcomes = await self._download(work)
        rewritten = (
            rewrite(item, found, self.config, None, keep_non_downloaded)
            for item, found in zip(items, outcomes, strict=True)
        )
        new = rewrite_collection(items, rewritten)
        await self._write(new, work.document)
        self._raise_or_warn()
        return new

    def open_clients(self) -> AbstractAsyncContextManager[Clients]:
        """Returns a context manager that closes in the end the clients that this run makes."""
        return nullcontext(self.clients) if self._shared else self.clients

    async def _download(self, work: PlannedRun) -> list[list[Outcome]]:
        """Returns the outcomes of each item or collection."""
        # Items may share an id, so each keeps its own plan; a transfer's identity says whose it is.
        of_owner = {id(entry): n for n, entries in enumerate(work.planned) for entry in entries}
        outcomes: list[list[Outcome]] = [[] for _ in work.planned]
        transfers = []
        for entry in work:
            if isinstance(entry, Transfer):
                transfers.append(entry)
                continue
            await self._engine.reporter.refused(entry, self.directory)
            if self.config.fail_fast:
                raise entry.error
            self.outcomes.append(entry)
            outcomes[of_owner[id(entry)]].append(entry)
        async with self.open_clients(), aclosing(self._engine.run(transfers)) as arriving:
            async for outcome in arriving:
                self.outcomes.append(outcome)
                if isinstance(outcome, Failed) and self.config.fail_fast:
                    raise outcome.error
                outcomes[of_owner[id(outcome.transfer)]].append(outcome)
        return outcomes

    async def _write(
        self, stac: pystac.Item | pystac.Collection | pystac.ItemCollection, path: Path | None
    ) -> None:
        if path is None:
            return
        data = json_bytes(document_of(stac))
        destination = self.destinations.destination_of(str(self.directory))
        await destination.write(destination.key_of(str(path)), data)

    def _raise_or_warn(self) -> None:
        errors = [outcome.error for outcome in self.outcomes if isinstance(outcome, Failed)]
        if errors and not self.config.warn:
            raise DownloadError(errors, total=len(self.outcomes))
        for error in errors:
            # The caller's line is that of the function that calls `one` or `many`.
            warnings.warn(str(error), DownloadWarning, stacklevel=4)
