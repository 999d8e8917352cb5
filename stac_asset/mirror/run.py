"""A run of a mirror: joins source, state, changes, planning and output.

The caller downloads the assets, for example as Prefect tasks:

    mirror = Mirror(storage, source, criteria, config, clients, now, documents)
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
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.former_sources import former_sources, still_at
from stac_asset.mirror.metadata_updates import MetadataUpdates
from stac_asset.mirror.output import removal
from stac_asset.mirror.output.catalog import write_catalog
from stac_asset.mirror.output.item_documents import should_write, write_item
from stac_asset.mirror.output.parquet import (
    has_geoparquet,
    is_current,
    record_current,
    record_outdated,
    write_parquet,
)
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared, download_size, prepare
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment, rfc3339, span_of
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.started_items import StartedItems
from stac_asset.mirror.state.index import (
    MirrorState,
    read_state,
    write_positions,
    write_searched,
)
from stac_asset.mirror.state.index_files import write_index
from stac_asset.mirror.state.layout import PARQUET, PARQUET_STATE
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.plan.selection import Selection
from stac_asset.redact import unsigned_href
from stac_asset.stac.earlier_files import EarlierDocument, keep_earlier_files, may_keep_files
from stac_asset.types import Failed, Outcome

_P = ParamSpec("_P")
_T = TypeVar("_T")

_INCOMPLETE = (
    "The source did not return all matching items, so this run does not detect removed items, and "
    "the next run searches the same time window again"
)
"""The notice for a search that is not complete."""

_NOTHING_LEFT = (
    "The search found no items at all, so this run does not detect removed items. Check the source "
    "and the criteria"
)
"""The notice for an empty search of a mirror that has matching items."""


class Mirror:
    """A run of a mirror.

    Args:
        storage: The files of the mirror.
        source: Source of the items.
        criteria: Criteria of the search for items.
        config: The configuration of the downloads.
        clients: The clients of the run.
        now: Start of the run.
        documents: An empty file, open for reading and writing, for the documents of wanted items.
    """

    changes: ChangeSet
    """Differences between source and mirror, after `find_changes`."""

    window: Window
    """Time window of the search, after `find_changes`."""

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
        self._state = MirrorState()
        self._started = StartedItems(self._storage, self._state, self._search, self._source_href)
        self._chosen: list[WantedItem] = []
        self._planned_files: dict[Key, frozenset[str]] = {}
        self._limits = RunSizeLimits()
        self._removed: list[Key] = []
        self._changed = False
        self._is_parquet_current = False
        self.changed_collections = 0
        """Number of collections that changed at the source, after `finish`."""
        self._collections_before: set[str] = set()
        self._former: set[str] = set()
        """Former hrefs of the source."""
        self._abandoned: set[Key] = set()
        """Incomplete items that the source no longer has."""
        self.undecided = 0
        """Number of items missing from the search about which the source gave no definite answer,
        after `find_removed`."""
        self.is_doubtful = False
        """Whether the search found no items although the mirror has some, after `find_removed`."""

    @property
    def metadata_updates(self) -> list[Key]:
        """Items with changed metadata and unchanged assets, after `find_changes`."""
        return [wanted.key for wanted in self._metadata.items]

    @property
    def removed(self) -> list[Key]:
        """Items that have left the source, after `find_removed`."""
        return self._removed

    @property
    def searched(self) -> str:
        """Criteria of the search as one line, after `find_changes`."""
        return self._criteria.description(self.window)

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
            NoAssetsError: There are items to download, and no asset of the source or the mirror has
                a key of `include`.
        """
        self._state = await self._in_thread(read_state, self._storage, self._config)
        self._started = StartedItems(self._storage, self._state, self._search, self._source_href)
        self._collections_before = {
            name for name, count in self._state.rows.collections.items() if name and count
        }
        since = moment(self._state.searched.get(self._search))
        usual = self.window = self._criteria.window(self._now, since)
        if whole and self._criteria.is_relative:
            self.window = await self._in_thread(self._window_of_all_items, usual)
        selection = Selection(self._config)
        selection.add(self._state.rows.asset_keys)
        self.changes = ChangeSet(self._state, selection.wants, self._documents, whole)
        self._source.position = None if whole else self._state.positions.get(self._search)
        async for item in self._source.items(self._criteria, self.window):
            if self.window is not usual and not self._is_selected(item, usual):
                continue
            selection.add(item.asset_keys)
            self.changes.add(item)
        self.changes.found_by_search = len(self.changes.seen)
        if not self._source.is_complete:
            notice(_INCOMPLETE)
        if not (self.changes.found or self._state.rows or self._source.errors):
            notice(self._nothing_found())
        self._former = former_sources(self.changes, self._source_href)
        unseen = set(self.changes.unseen(self._criteria, self._source_href, self._former))
        if whole:
            unseen |= self._lost()
        async for item in self._source.items_by_id(unseen):
            self.changes.add(item)
        if self._source.is_complete:
            await self._find_abandoned(unseen - self._source.undecided)
        nothing_fits = selection.report()
        if nothing_fits is not None:
            if self.changes.wanted:
                raise nothing_fits
            notice(nothing_fits.message)
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
        if not self._source.is_complete:
            return
        sources = {self._source_href} | self._former
        missing = removal.missing_from_search(
            self.changes, self._criteria, self.window, sources, marked
        )
        if not self.changes.found_by_search:
            if missing:
                self.is_doubtful = True
                notice(_NOTHING_LEFT, f"{len(missing):,} items of the mirror match the search")
            return
        gone = await removal.removed_from_source(missing, self._source)
        self.undecided = len(self._source.undecided)
        for source in self._former:
            keys = {key for key in gone if self._state.rows[key].source == source}
            if keys:
                there = await still_at(source, keys, self._clients, self._config)
                gone = [key for key in gone if key not in there]
        self._removed = gone

    def _window_of_all_items(self, usual: Window) -> Window:
        """Return a relative time window that begins with the first item of the mirror."""
        rows = self._state.rows
        keys = (key for key in rows if self._criteria.matches_ids(*key))
        starts = [when for key in keys if (when := moment(rows[key].span[0])) is not None]
        if usual.start is None or not starts or min(starts) >= usual.start:
            return usual
        return dataclasses.replace(usual, start=min(starts))

    def _is_selected(self, item: SourceDocument, usual: Window) -> bool:
        """Return whether the mirror has an item, or its runs would have mirrored the item."""
        key, state = item.key, self._state
        if key is None or key in state.rows or key in state.started or key in state.lost:
            return True
        return usual.touches(*span_of(item.document))

    def _lost(self) -> set[Key]:
        """Return the items of this source with a missing document that the search did not find."""
        sources = {self._source_href} | self._former
        return {
            key
            for key, source in self._state.lost.items()
            if key not in self.changes.seen
            and source in sources
            and self._criteria.matches_ids(*key)
        }

    async def _find_abandoned(self, requested: set[Key]) -> None:
        """Determine which incomplete items have left the source.

        Args:
            requested: Items that were requested by id, with a definite answer.

        Raises:
            SourceError: The request for the items failed.
        """
        others = self.changes.unfinished({self._source_href} | self._former) - requested
        gone = {key for key in requested if key not in self.changes.seen}
        gone.update(await removal.removed_from_source(others, self._source))
        self._abandoned = gone & self._state.started.keys()

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
        await self._in_thread(self._started.end, completed, self._abandoned)
        self._started.start((wanted, self._planned_files[wanted.key]) for wanted in self._chosen)
        await self._in_thread(self._started.write)
        if self._search not in self._state.searched:
            # Until a run has mirrored all found items, later windows start here or earlier.
            first = dataclasses.replace(self._criteria, overlap="0 days").window(self._now)
            await self._save_searched(first.start)
        self._is_parquet_current = has_geoparquet() and await self._in_thread(
            is_current, self._storage
        )
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
        await self._in_thread(self._started.write)
        rows = self._state.rows
        if not rows and not self._changed:
            return
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
            await self._in_thread(record_outdated, self._storage)
        if rows.is_outdated:
            await self._in_thread(write_index, self._storage, rows)

    async def finish(self, on_removed: OnRemoved) -> None:
        """End the run: handle removed items, and write the catalog, index and GeoParquet file.

        Args:
            on_removed: Action for items that left the source.

        Raises:
            DestinationError: A document cannot be written.
        """
        removed = [self._state.rows[key] for key in self._removed]
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
        await self._write_parquet()
        if on_removed == "delete" and removed:
            # The catalog was written first, so that no link leads to a missing item.
            async with concurrent_calls(self._storage.concurrency) as start:
                for row in removed:
                    await start(self._delete(row))
            await self._in_thread(self._started.write)
        if self._source.is_complete and not self._limits.left:
            await self._save_searched(self.window.end)
        await self._save_position()

    async def _delete(self, row: IndexRow) -> None:
        files = self._started.files(row.key)
        await self._in_thread(removal.delete, row, files, self._storage)
        self._started.complete(row.key)

    def _nothing_found(self) -> str:
        """Return the notice for the first search of a mirror, if the search found no items."""
        hint = "Check the criteria"
        if self._criteria.bbox is not None or self._criteria.intersects is not None:
            hint = (
                "Swapped coordinates are the usual cause: the order is west, south, east, north, "
                "and longitude before latitude"
            )
        return f"The first search of this mirror found no items ({self.searched}). {hint}"

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

    async def _write_parquet(self) -> None:
        """Write the GeoParquet file, if outdated and if the extra is installed."""
        if not has_geoparquet() or not (self._state.rows or self._changed):
            return
        rows = self._state.rows
        if rows.has_changes or not self._is_parquet_current:
            try:
                await self._in_thread(write_parquet, self._storage, rows.values())
            except ValueError as error:
                notice(f"{PARQUET} is not up to date", str(error))
                return
            await self._in_thread(record_current, self._storage)
        elif not self._storage.is_listed(PARQUET_STATE):
            await self._in_thread(record_current, self._storage)

    async def _save_position(self) -> None:
        """Write the position at which the search failed, or remove the position."""
        positions, position = self._state.positions, self._source.position
        before = positions.get(self._search)
        if self._limits.left and before is not None:
            return  # The next run must find the items that this run left.
        if position != before:
            positions.pop(self._search, None)
            if position is not None:
                positions[self._search] = position
            await self._in_thread(write_positions, self._storage, positions)

    async def _save_searched(self, until: datetime | None) -> None:
        """Write the time up to which all items are mirrored, if the time window is relative."""
        if until is not None and self._criteria.is_relative:
            self._state.searched[self._search] = rfc3339(until)
            await self._in_thread(write_searched, self._storage, self._state.searched)
