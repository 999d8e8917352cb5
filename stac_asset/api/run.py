"""A run of a download or dry run, through the stages plan, transfer and rewrite.

The public functions of `stac_asset.api.collections` and the command line use `Run`. They call one
of the `plan_*` methods, then `download` or `download_item_collection`. These two methods convert
failed outcomes to errors or warnings.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pystac

from stac_asset.api.destinations import RunDestinations
from stac_asset.api.frozen_heap import frozen_heap
from stac_asset.api.progress import shown_progress
from stac_asset.clients.base import Client
from stac_asset.clients.registry import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config, checked_config
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location, location_of
from stac_asset.destinations.space import check_space
from stac_asset.errors import (
    ConfigError,
    DestinationError,
    DownloadError,
    DownloadWarning,
    NoAssetsError,
)
from stac_asset.plan.file_names import FolderTemplate
from stac_asset.plan.owners import document_name, owner_name
from stac_asset.plan.planner import Planner
from stac_asset.plan.work import PlannedRun, config_error
from stac_asset.rewrite.rewriter import make_files_relative, rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.earlier_files import (
    EarlierDocument,
    keep_earlier_files,
    replace_document,
    unselected_files,
)
from stac_asset.stac.item_collections import ReadItems, unique_items
from stac_asset.stac.local_facts import facts_of
from stac_asset.stac.parse import item_of
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import (
    Failed,
    KeptFile,
    MessageQueue,
    Outcome,
    PathLikeObject,
    Transfer,
    outcomes_per_asset,
)

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


class Run:
    """A run of a download or a dry run.

    Args:
        directory: The destination: a directory, or a prefix of an object store. No file is written
            outside.
        config: The download configuration, which is copied.
        messages: A queue for progress messages.
        clients: Clients to use before all others, or a `Clients` registry that several runs share.
            Both stay open.
        max_concurrent_downloads: Maximum number of assets downloaded at the same time.
        stream: If False, each file is read into memory as a whole before it is written.
        progress: Show a progress bar on standard error.

    Raises:
        ConfigError: The configuration is invalid.
        DestinationError: The directory is empty, and neither a path nor the URL of a prefix.
    """

    config: Config
    """The validated configuration."""

    clients: Clients
    """The clients of the run."""

    directory: Location
    """The absolute location of the destination."""

    outcomes: list[Outcome]
    """The outcomes so far, in order of completion."""

    def __init__(
        self,
        directory: PathLikeObject,
        config: Config | None = None,
        messages: MessageQueue | None = None,
        clients: Clients | list[Client] | None = None,
        max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        stream: bool | None = None,
        progress: bool = False,
    ) -> None:
        self._progress = progress
        self.config = checked_config(config)
        self.outcomes = []
        location = location_of(directory)
        self._planner: Planner[Location] = Planner(location, self.config, facts_of(location))
        self.directory = self._planner.directory
        self._shared = isinstance(clients, Clients)
        self.clients = clients if isinstance(clients, Clients) else Clients(self.config, clients)
        self.destinations = RunDestinations(self.config)
        self._engine = Engine(
            self.clients,
            self.config,
            self.destinations,
            messages,
            max_concurrent_downloads,
            stream,
        )

    @property
    def reporter(self) -> Reporter:
        """Receives the progress of all transfers."""
        return self._engine.reporter

    @reporter.setter
    def reporter(self, reporter: Reporter) -> None:
        self._engine.reporter = reporter

    async def prepare(self) -> None:
        """Check that an object store can be written, before the first request to a source.

        Call this method in the context of `open` or of `destinations`.

        Raises:
            DestinationError: The destination cannot be written.
        """
        await self.destinations.prepare(str(self.directory))

    def plan_item(
        self, item: pystac.Item, file_name: str | None = None, infer_file_name: bool = True
    ) -> PlannedRun:
        """Plan the download of an item.

        Args:
            item: The item. The object is not modified.
            file_name: The name of the item document. Default: see `infer_file_name`.
            infer_file_name: If no `file_name` is given, derive the name from the item id. If False,
                no document is written.

        Raises:
            NoAssetsError: The item has no assets, or no asset has a key of `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        if not item.assets:
            raise NoAssetsError(f"item '{item.id}' has no assets to download")
        if file_name is None and infer_file_name:
            file_name = document_name(item)
        return self._plan_owner(item, file_name)

    def plan_collection(self, collection: pystac.Collection, file_name: str | None) -> PlannedRun:
        """Plan the download of the assets of a collection.

        Args:
            collection: The collection. The object is not modified.
            file_name: The name of the collection document. If None, no document is written.

        Raises:
            NoAssetsError: No asset has a key of `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        return self._plan_owner(collection, file_name)

    def plan_item_collection(
        self,
        items: pystac.ItemCollection,
        file_name: str | None,
        path_template: str | None,
        source: str | None = None,
    ) -> PlannedRun:
        """Plan the download of the items of an item collection.

        Args:
            items: The item collection. The object is not modified.
            file_name: The name of the item collection document. If None, no document is written.
            path_template: The folder of an item's files, relative to the directory. Default:
                `${id}`.
            source: The href that the item collection was read from, if known. The document must not
                replace this file. Item collections, unlike items, have no self href.

        Raises:
            ConfigError: The template is invalid, or does not fit any item.
            NoAssetsError: No asset of any item has a key of `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        document = self._plan_document("the item collection", file_name, source)
        folders = FolderTemplate(path_template) if path_template is not None else FolderTemplate()
        unique = unique_items(items)
        assets = [list(self._planner.item_assets(item, folders)) for item in unique]
        self._planner.check_selection()
        self._check_directory()
        read = items.invalid if isinstance(items, ReadItems) else ()
        invalid = tuple(Failed(entry.name, "", entry.error) for entry in read)
        assets = [self._planner.settled(planned) for planned in assets]
        work = PlannedRun(assets, document, unique, invalid)
        misfit = config_error(work)
        if misfit is not None:
            raise misfit
        return work

    def _plan_owner(
        self, owner: pystac.Item | pystac.Collection, file_name: str | None
    ) -> PlannedRun:
        document = self._plan_document(owner_name(owner), file_name, owner.get_self_href())
        assets = list(self._planner.assets(owner))
        self._planner.check_selection()
        self._check_directory()
        return PlannedRun([assets], document)

    def _plan_document(
        self, owner: str, file_name: str | None, source: str | None
    ) -> Location | None:
        if not isinstance(file_name, str | None):
            raise ConfigError(
                f"`file_name` must be a string, not {type(file_name).__name__}. Use for example "
                "'item.json'."
            )
        return self._planner.document(owner, file_name, source) if file_name else None

    def _check_directory(self) -> None:
        if not isinstance(self.directory, Path) or self.config.make_directory:
            return
        if not self.directory.is_dir():
            raise DestinationError(
                f"Directory '{self.directory}' does not exist. "
                "Create it or set `make_directory=True`."
            )

    async def download(self, owner: _Owner, work: PlannedRun, keep_non_downloaded: bool) -> _Owner:
        """Download the planned assets of an item or collection, and write the document.

        Args:
            owner: The item or collection. The object is not modified.
            work: The plan for this object.
            keep_non_downloaded: Keep assets on the object that were not selected for download.

        Returns:
            The rewritten object.

        Raises:
            DownloadError: Assets failed. All other assets and the document were written.
            StacAssetError: The first failure, if `fail_fast` is set. No document is written.
        """
        async with self.destinations:
            [outcomes] = await self._download(work)

            async def build(earlier: EarlierDocument) -> tuple[_Owner, bytes | None]:
                kept = await self._keep_earlier_files(owner, outcomes, earlier)
                unselected = await self._unselected_files(owner, kept, earlier)
                new = rewrite(
                    owner, kept, self.config, work.document, keep_non_downloaded, unselected
                )
                is_kept = await earlier.is_replaced_by_nothing(kept, self.config)
                return new, None if is_kept else _json(new, work)

            new = await replace_document(work.document, self._destination, build)
        self._raise_or_warn()
        return new

    async def download_item_collection(
        self, items: pystac.ItemCollection, work: PlannedRun, keep_non_downloaded: bool
    ) -> pystac.ItemCollection:
        """Download the planned assets of an item collection, and write the document.

        Args:
            items: The item collection. The object is not modified.
            work: The plan for this item collection.
            keep_non_downloaded: Keep assets on the items that were not selected for download.

        Returns:
            The rewritten item collection.

        Raises:
            DownloadError: Assets failed. All other assets and the document were written.
            StacAssetError: The first failure, if `fail_fast` is set. No document is written.
        """
        async with self.destinations:
            outcomes = await self._download(work)

            async def build(
                earlier: EarlierDocument,
            ) -> tuple[pystac.ItemCollection, bytes | None]:
                return await self._rewritten_items(
                    items, work, outcomes, earlier, keep_non_downloaded
                )

            new = await replace_document(work.document, self._destination, build)
        self._raise_or_warn()
        return new

    async def _rewritten_items(
        self,
        items: pystac.ItemCollection,
        work: PlannedRun,
        outcomes: list[list[Outcome]],
        earlier: EarlierDocument,
        keep_non_downloaded: bool,
    ) -> tuple[pystac.ItemCollection, bytes | None]:
        """Return the rewritten item collection, and its document if it is to be written."""
        outcomes = [
            await self._keep_earlier_files(item, of_item, earlier)
            for item, of_item in zip(work.items, outcomes, strict=True)
        ]
        unselected = [
            await self._unselected_files(item, of_item, earlier)
            for item, of_item in zip(work.items, outcomes, strict=True)
        ]
        rewritten = [
            rewrite(item, of_item, self.config, None, keep_non_downloaded, others)
            for item, of_item, others in zip(work.items, outcomes, unselected, strict=True)
        ]
        for invalid in items.invalid if isinstance(items, ReadItems) else ():
            before = await earlier.item(invalid)
            if before is not None:
                rewritten.append(item_of(before, str(work.document)))
        new = rewrite_collection(items, rewritten)
        of_all = [*work.invalid, *chain.from_iterable(outcomes)]
        if await earlier.is_replaced_by_nothing(of_all, self.config):
            return new, None
        document = document_of(new)
        if work.document is not None and not self.config.absolute_hrefs:
            # The items of an earlier run, after the items of this run, have no outcomes.
            of_items = zip(document["features"], outcomes, unselected, strict=False)
            for feature, of_item, others in of_items:
                make_files_relative(feature, of_item, work.document, others)
        return new, json_bytes(document) if work.document is not None else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Clients]:
        """Return a context manager that closes the clients and connections of the run."""
        clients = nullcontext(self.clients) if self._shared else self.clients
        async with self.destinations, clients as opened:
            yield opened

    async def _download(self, work: PlannedRun) -> list[list[Outcome]]:
        """Download the planned assets, and return the outcomes of each item or collection."""
        # Several items may have the same id, so transfers are matched to items by object identity.
        owner_of = {id(entry): n for n, entries in enumerate(work.planned) for entry in entries}
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
            if id(entry) in owner_of:
                outcomes[owner_of[id(entry)]].append(entry)
        if self.config.check_free_space and isinstance(self.directory, Path):
            declared = sum(transfer.size or 0 for transfer in transfers)
            check_space(declared, lambda: transfers, self.directory)
        if transfers or work.document is not None:
            await self.prepare()
        with shown_progress(self._engine, transfers, self._progress):
            async with self.open(), aclosing(self._engine.run(transfers)) as arriving:
                with frozen_heap(len(transfers)):
                    async for outcome in arriving:
                        per_asset = outcomes_per_asset(outcome)
                        self.outcomes += per_asset
                        if isinstance(outcome, Failed) and self.config.fail_fast:
                            raise outcome.error
                        outcomes[owner_of[id(outcome.transfer)]] += per_asset
        return outcomes

    async def _keep_earlier_files(
        self,
        owner: pystac.Item | pystac.Collection,
        outcomes: list[Outcome],
        earlier: EarlierDocument,
    ) -> list[Outcome]:
        return await keep_earlier_files(
            owner, outcomes, earlier, self.config, self._destination, self._planner.is_used
        )

    async def _unselected_files(
        self,
        owner: pystac.Item | pystac.Collection,
        outcomes: list[Outcome],
        earlier: EarlierDocument,
    ) -> dict[str, KeptFile]:
        return await unselected_files(
            owner, outcomes, earlier, self.config, self._destination, self._planner.is_used
        )

    @property
    def _destination(self) -> Destination:
        """The destination of the run."""
        return self.destinations.destination_of(str(self.directory))

    def _raise_or_warn(self) -> None:
        errors = [outcome.error for outcome in self.outcomes if isinstance(outcome, Failed)]
        if errors and not self.config.warn:
            raise DownloadError(errors, total=len(self.outcomes))
        for error in errors:
            # Attribute the warning to the caller of the public function that calls `download`.
            warnings.warn(str(error), DownloadWarning, stacklevel=4)


def _json(new: pystac.Item | pystac.Collection, work: PlannedRun) -> bytes | None:
    """Return the JSON of a rewritten object, if a document is planned."""
    return json_bytes(document_of(new)) if work.document is not None else None
