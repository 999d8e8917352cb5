"""A run of a download or dry run, through the stages plan, transfer and rewrite.

The public functions of `stac_asset.api.collections` and the command line use `Run`. They call one
of the methods of `Run.planner`, then `download` or `download_item_collection`. These two methods
convert failed outcomes to errors or warnings.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import pystac

from stac_asset.api.destinations import RunDestinations
from stac_asset.api.frozen_heap import frozen_heap
from stac_asset.api.progress import shown_progress
from stac_asset.api.run_document import RunDocument
from stac_asset.api.run_planner import RunPlanner
from stac_asset.clients.base import Client
from stac_asset.clients.registry import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config, checked_config
from stac_asset.destinations.directories import check_directory
from stac_asset.destinations.location import Location, location_of
from stac_asset.destinations.space import check_space
from stac_asset.errors import DownloadError, DownloadWarning
from stac_asset.plan.work import PlannedRun
from stac_asset.stac.foreign_documents import check_replaceable
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import (
    Failed,
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

    planner: RunPlanner
    """The planner of the objects of the run."""

    directory: Location
    """The absolute location of the destination."""

    outcomes: list[Outcome]
    """The outcomes so far, in order of completion."""

    document: Location | None
    """The location of the document, after a download. None if no run has written the document."""

    has_written: bool
    """Whether this run has written the document. Otherwise the document is of an earlier run."""

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
        self.document, self.has_written = None, False
        self.planner = RunPlanner(location_of(directory), self.config)
        self.directory = self.planner.directory
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
        """Check that the destination can be written, before the first request to a source.

        Call this method in the context of `open` or of `destinations`.

        Raises:
            DestinationError: The destination cannot be written.
        """
        if isinstance(self.directory, Path):
            # The planner checks `make_directory`, after other errors of the item.
            check_directory(self.directory, make_directory=True)
        await self.destinations.prepare(str(self.directory))

    async def download(self, owner: _Owner, work: PlannedRun, keep_non_downloaded: bool) -> _Owner:
        """Download the planned assets of an item or collection, and write the document.

        Args:
            owner: The item or collection. The object is not modified.
            work: The plan for this object.
            keep_non_downloaded: Keep assets on the object that were not selected for download.

        Returns:
            The rewritten object.

        Raises:
            DownloadError: Assets failed. The document and all other assets were written. If all
                assets failed, no document is written, unless `error_strategy` is KEEP.
            StacAssetError: The first failure, if `fail_fast` is set. No document is written.
        """
        async with self.destinations:
            [outcomes] = await self._download(work)
            document = self._document(work, keep_non_downloaded)
            new = await document.replace(owner, outcomes)
        self.document, self.has_written = document.location, document.is_written
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
            DownloadError: Assets failed. The document and all other assets were written. If all
                assets failed, no document is written, unless `error_strategy` is KEEP.
            StacAssetError: The first failure, if `fail_fast` is set. No document is written.
        """
        async with self.destinations:
            outcomes = await self._download(work)
            document = self._document(work, keep_non_downloaded)
            new = await document.replace_items(items, outcomes)
        self.document, self.has_written = document.location, document.is_written
        self._raise_or_warn()
        return new

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
        destination = self.destinations.destination_of(str(self.directory))
        await check_replaceable(work.document, destination)
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

    def _document(self, work: PlannedRun, keep_non_downloaded: bool) -> RunDocument:
        """Return the planned document."""
        destination = self.destinations.destination_of(str(self.directory))
        return RunDocument(
            work, self.config, destination, self.planner.is_used, keep_non_downloaded
        )

    def _raise_or_warn(self) -> None:
        errors = [outcome.error for outcome in self.outcomes if isinstance(outcome, Failed)]
        if errors and not self.config.warn:
            raise DownloadError(errors, total=len(self.outcomes))
        for error in errors:
            # Attribute the warning to the caller of the public function that calls `download`,
            # through the wrapper of the function.
            warnings.warn(str(error), DownloadWarning, stacklevel=5)
