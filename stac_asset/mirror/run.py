"""A run of a mirror: joins source, state, changes, planning and output.

The caller downloads the assets, for example as Prefect tasks:

    mirror = MirrorUpdate(storage, source, criteria, config, clients, now, documents)
    await mirror.find_changes()
    await mirror.find_removed(marked=False)   # only to mark or delete removed items
    async for prepared in mirror.choose(RunSizeLimits()): ...   # for a summary, or a dry run
    await mirror.begin()
    for prepared in mirror.prepared():
        outcomes = ...
        outcomes = await mirror.keep_earlier_files(prepared, outcomes)
        await mirror.add(prepared, outcomes)
    await mirror.finish("keep")
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import IO, ParamSpec, TypeVar

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import concurrent_calls, in_executor
from stac_asset.config import Config
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.mirror.change_search import ChangeSearch
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.foreign_documents import foreign_documents
from stac_asset.mirror.former_sources import former_sources
from stac_asset.mirror.metadata_updates import MetadataUpdates
from stac_asset.mirror.output import removal
from stac_asset.mirror.output.catalog import write_catalog
from stac_asset.mirror.output.item_documents import should_write, write_item
from stac_asset.mirror.output.parquet_state import ParquetState
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared, download_size, prepare
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.search_records import SearchRecords
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.started_items import StartedItems
from stac_asset.mirror.state.index import MirrorState, read_state
from stac_asset.mirror.state.index_files import write_index
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.redact import unsigned_href
from stac_asset.stac.earlier_document import EarlierDocument
from stac_asset.stac.earlier_files import keep_earlier_files, may_keep_files
from stac_asset.types import Failed, Outcome

_P = ParamSpec("_P")
_T = TypeVar("_T")


class MirrorUpdate:
    """An update of a mirror: a run from the search to the written catalog.

    Args:
        storage: The files of the mirror.
        source: Source of the items.
        criteria: Criteria of the search for items.
        config: The configuration of the downloads.
        clients: The clients of the run.
        now: Start of the run.
        documents: An empty file, open for reading and writing, for the documents of wanted items.
    """

    def __init__(
        self,
        storage: MirrorStorage,
        source: ItemSource,
        criteria: Criteria,
        config: Config,
        clients: Clients,
        now: datetime,
        documents: IO[bytes],
    ) -> None:
        self.directory = storage.directory
        self._storage = storage
        self._source = source
        self._criteria = criteria
        self._config = config.copy()
        self._clients = clients
        self._now = now
        self._documents = documents
        self._source_href = unsigned_href(source.href).rstrip("/")
        self._search = criteria.digest(self._source_href)
        self._set_state(MirrorState())
        self._chosen: list[WantedItem] = []
        self._planned_files: dict[Key, frozenset[str]] = {}
        self._limits = RunSizeLimits()
        self._changed = False
        self._parquet = ParquetState(storage)
        self.changed_collections = 0
        """Number of collections that changed at the source, after `finish`."""
        self._collections_before: set[str] = set()

    @property
    def changes(self) -> ChangeSet:
        """Differences between source and mirror, after `find_changes`."""
        return self._found.changes

    @property
    def window(self) -> Window:
        """Time window of the search, after `find_changes`."""
        return self._found.window

    @property
    def metadata_updates(self) -> list[Key]:
        """Items with changed metadata and unchanged assets, after `find_changes`."""
        return [wanted.key for wanted in self._metadata.items]

    @property
    def removed(self) -> list[Key]:
        """Items that have left the source, after `find_removed`."""
        return self._found.removed

    @property
    def undecided(self) -> int:
        """Number of missing items without a definite answer of the source, after `find_removed`."""
        return self._found.undecided

    @property
    def is_doubtful(self) -> bool:
        """Whether the search found no items although the mirror has some, after `find_removed`."""
        return self._found.is_doubtful

    @property
    def searched(self) -> str:
        """Criteria of the search as one line, after `find_changes`."""
        return self._found.searched

    @property
    def is_complete(self) -> bool:
        """Whether the source returned all matching items, after `find_changes`."""
        return self._source.is_complete

    @property
    def errors(self) -> list[StacAssetError]:
        """Errors of items that could not be read from the source, after `find_changes`."""
        return self._source.errors

    async def find_changes(self, whole: bool = False) -> None:
        """Read the state of the mirror, search the source, and compare both.

        Args:
            whole: Compare all items of the mirror that match the criteria, also those before a
                relative time window, and request items whose document is missing. Also find
                documents that name no file of an asset. An audit does this.

        Raises:
            SourceError: The search did not reach its end.
            NoAssetsError: There are items to download, and no asset of the source or the mirror
                matches `include`.
        """
        self._set_state(await self._in_thread(read_state, self._storage, self._config, whole))
        self._collections_before = {
            name for name, count in self._state.rows.collections.items() if name and count
        }
        self._found = ChangeSearch(
            self._storage,
            self._source,
            self._source_href,
            self._criteria,
            self._config,
            self._clients,
            self._state,
            self._documents,
            whole,
        )
        await self._found.find_changes(self._now)
        self.changes.foreign = await self._in_thread(
            foreign_documents, self._storage, self._state, self.changes.wanted
        )
        self._metadata = MetadataUpdates(
            self._storage, self.changes, self._config, self._source_href
        )
        await self._in_thread(self._metadata.find)

    async def find_removed(self, marked: bool) -> None:
        """Determine which items have left the source.

        Args:
            marked: Whether to include items that are already marked as removed.

        Raises:
            SourceError: The request for the items failed.
        """
        await self._found.find_removed(marked)

    async def choose(self, limits: RunSizeLimits) -> AsyncIterator[Prepared]:
        """Yield the items that this run downloads within the limits.

        Args:
            limits: Limits of the run, which count the items.
        """
        self._limits = limits
        wanted = self.changes.wanted
        self._chosen, self._planned_files = [], {}
        for number, prepared in enumerate(self._prepare(wanted)):
            if limits.is_full:
                limits.left += len(wanted) - number
                return
            clients = self._clients if limits.max_bytes is not None else None
            size = await download_size(prepared, clients, self._config)
            if limits.take(size):
                self._chosen.append(prepared.wanted)
                self._planned_files[prepared.wanted.key] = frozenset(prepared.files)
                yield prepared

    async def begin(self) -> None:
        """Write the list of chosen items, and the documents of items with changed metadata.

        With the list, the next run completes a run that is killed.

        Raises:
            DestinationError: The list cannot be written.
        """
        # An item that was found and needs no download was completed by an earlier run.
        wanted_keys = {wanted.key for wanted in self.changes.wanted}
        seen = self.changes.seen
        completed = [key for key in self._state.started if key in seen and key not in wanted_keys]
        await self._in_thread(self._started.end, completed, self._found.abandoned)
        self._started.start((wanted, self._planned_files[wanted.key]) for wanted in self._chosen)
        await self._in_thread(self._started.write)
        await self._in_thread(self._records.begin, self._now)
        await self._in_thread(self._parquet.read)
        await self._in_thread(self._metadata.write)

    def prepared(self) -> Iterator[Prepared]:
        """Yield the chosen items with the planned transfers of assets."""
        return self._prepare(self._chosen)

    async def keep_earlier_files(
        self, prepared: Prepared, outcomes: Sequence[Outcome]
    ) -> Sequence[Outcome]:
        """Return outcomes in which each failed asset has the file of an earlier run, if any.

        Args:
            prepared: The item.
            outcomes: Outcomes of the item's assets.
        """
        item, config = prepared.item, self._config
        if prepared.document is None or not may_keep_files(item, outcomes, config):
            return outcomes
        destination = self._storage.destination
        earlier = EarlierDocument(prepared.document, destination)
        return await keep_earlier_files(item, outcomes, earlier, config, destination)

    async def add(self, prepared: Prepared, outcomes: Sequence[Outcome]) -> bool:
        """Write an item's document, and return whether a document was written.

        Up to `MirrorStorage.concurrency` items can be added at the same time.

        Args:
            prepared: The item.
            outcomes: Outcomes of the item's assets, with the files of an earlier run.

        Raises:
            DestinationError: The document cannot be written.
        """
        key = prepared.wanted.key
        planned = frozenset(prepared.files) if prepared.document is not None else None
        if planned is None or not should_write(outcomes):
            await self._in_thread(self._started.fail, key, planned)
            return False
        before = self._state.rows.get(key)
        try:
            self._state.rows[key] = await self._in_thread(
                write_item,
                prepared,
                outcomes,
                self._config,
                self._storage,
                self._source_href,
                before,
                self._started.files(key),
            )
        except SourceError as error:
            # Some documents can be read but not copied. They must not fail the other items.
            notice("Items cannot be mirrored", f"item '{key.id}': {error}")
            await self._in_thread(self._started.fail, key, planned)
            return False
        self._changed = True
        if any(isinstance(outcome, Failed) for outcome in outcomes):
            await self._in_thread(self._started.fail, key, planned)
        else:
            self._started.complete(key)
        return True

    def leave(self, prepared: Prepared) -> None:
        """Leave a chosen item, whose download has not begun, for the next run.

        Args:
            prepared: The item.
        """
        self._limits.left += 1
        self._started.leave(prepared.wanted.key)

    async def save(self) -> None:
        """Write the catalog and the index of all items so far, also for a run that ends early.

        Raises:
            DestinationError: A document cannot be written.
        """
        await self._in_thread(self._started.write_changes)
        if self._state.rows or self._changed:
            await self._save_rows()
        await self._in_thread(self._started.finish)

    async def _save_rows(self) -> None:
        rows = self._state.rows
        catalog = await self._in_thread(
            write_catalog,
            self._storage,
            rows,
            self._source_href,
            await self._read_collections(),
            self._collections_before,
        )
        self.changed_collections = catalog.collections
        if former_sources(self.changes, self._source_href):
            for key in list(self.changes.seen):
                if key in rows and rows[key].source != self._source_href:
                    rows[key] = dataclasses.replace(rows[key], source=self._source_href)
                    self._changed = True
        if rows.has_changes:
            await self._in_thread(self._parquet.record_outdated, rows)
        await self._in_thread(write_index, self._storage, rows)

    async def finish(self, on_removed: OnRemoved) -> None:
        """End the run: handle removed items, and write the catalog, index and GeoParquet file.

        Args:
            on_removed: Action for items that left the source.

        Raises:
            DestinationError: A document cannot be written.
        """
        removed = [self._state.rows[key] for key in self.removed]
        if on_removed == "mark" and removed:
            marked = await self._in_thread(removal.mark, removed, self._storage, self._now)
            self._state.rows.update(marked)
            self._changed = True
        elif on_removed == "delete" and removed:
            self._started.start_removal(removed)
            for row in removed:
                del self._state.rows[row.key]
            self._changed = True
        await self.save()
        if self._state.rows or self._changed:
            await self._in_thread(self._parquet.update, self._state.rows)
        if on_removed == "delete" and removed:
            # The catalog was written first, so that no link leads to a missing item.
            async with concurrent_calls(self._storage.concurrency) as start:
                for row in removed:
                    await start(self._delete(row))
            await self._in_thread(self._started.finish)
        if self._source.is_complete and not self._limits.left:
            await self._in_thread(self._records.complete, self.window.end)
        has_left = bool(self._limits.left)
        await self._in_thread(self._records.set_position, self._source.position, has_left)

    async def _delete(self, row: IndexRow) -> None:
        files = self._started.files(row.key)
        await self._in_thread(removal.delete, row, files, self._storage)
        self._started.complete(row.key)

    def _set_state(self, state: MirrorState) -> None:
        self._state, search = state, self._search
        self._started = StartedItems(self._storage, state, search, self._source_href)
        self._records = SearchRecords(self._storage, state, self._criteria, search)

    async def _in_thread(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a call that uses the files of the mirror in a thread."""
        return await in_executor(self._storage.executor, call, *args, **kwargs)

    def _prepare(self, wanted: Sequence[WantedItem]) -> Iterator[Prepared]:
        return prepare(self.changes, wanted, self._storage, self._config)

    async def _read_collections(self) -> dict[str, SourceDocument]:
        """Return the source's documents of the collections of this run."""
        rows = self._state.rows
        names = {name for name in self.changes.collections if rows.collections[name]}
        collections = {}
        for name in sorted(names.union(self._criteria.collections)):
            try:
                collection = await self._source.collection(name)
            except SourceError as error:
                notice("Collections are not updated", f"collection '{name}': {error}")
                continue
            if collection is not None:
                collections[name] = collection
        return collections
