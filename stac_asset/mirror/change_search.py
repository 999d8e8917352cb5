"""Searches a source for the changes since the last run of a mirror, and for removed items.

`mirror.run` calls these functions before the run chooses items. No file is written.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import IO

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_executor
from stac_asset.config import Config
from stac_asset.mirror.answer_rows import with_rows
from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.former_sources import former_sources, still_at
from stac_asset.mirror.output import removal
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment, span_of
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.plan.selection import Selection
from stac_asset.transfer.rare_collections import rare_collections

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


class ChangeSearch:
    """A search for new, changed and removed items.

    Args:
        storage: The files of the mirror.
        source: Source of the items.
        source_href: The unsigned href of the source.
        criteria: Criteria of the search for items.
        config: The configuration of the downloads.
        clients: The clients of the run.
        state: State of the mirror.
        documents: An empty file, open for reading and writing, for the documents of wanted items.
        whole: Compare all items of the mirror that match the criteria, also those before a relative
            time window, and request items whose document is missing. Also find documents that name
            no file of an asset. An audit does this.
    """

    window: Window
    """Time window of the search, after `find_changes`."""

    def __init__(
        self,
        storage: MirrorStorage,
        source: ItemSource,
        source_href: str,
        criteria: Criteria,
        config: Config,
        clients: Clients,
        state: MirrorState,
        documents: IO[bytes],
        whole: bool,
    ) -> None:
        self._storage = storage
        self._source = source
        self._source_href = source_href
        self._criteria = criteria
        self._config = config
        self._clients = clients
        self._state = state
        self._whole = whole
        self._selection = Selection(config)
        self._former: set[str] = set()
        """Former hrefs of the source."""
        self.changes = ChangeSet(state, self._selection.assets, documents, whole)
        """Differences between source and mirror, after `find_changes`."""
        self.abandoned: set[Key] = set()
        """Incomplete items that the source no longer has, after `find_changes`."""
        self.removed: list[Key] = []
        """Items that have left the source, after `find_removed`."""
        self.undecided = 0
        """Number of items missing from the search about which the source gave no definite answer,
        after `find_removed`."""
        self.is_doubtful = False
        """Whether the search found no items although the mirror has some, after `find_removed`."""

    @property
    def searched(self) -> str:
        """Criteria of the search as one line, after `find_changes`."""
        return self._criteria.description(self.window)

    @property
    def _sources(self) -> set[str]:
        """The present href and the former hrefs of the source."""
        return {self._source_href} | self._former

    async def find_changes(self, now: datetime) -> None:
        """Search the source, and compare the found items with the mirror.

        Args:
            now: Start of the run.

        Raises:
            SourceError: The search did not reach its end.
            NoAssetsError: There are items to download, and no asset of the source or the mirror
                matches `include`.
        """
        selection, changes, source = self._selection, self.changes, self._source
        search = self._criteria.digest(self._source_href)
        usual = self.window = self._criteria.window(now, moment(self._state.searched.get(search)))
        if self._whole and self._criteria.is_relative:
            self.window = await in_executor(
                self._storage.executor, self._window_of_all_items, usual
            )
        selection.add_mirrored(self._state.rows.asset_keys)
        source.position = None if self._whole else self._state.positions.get(search)
        found = source.items(self._criteria, self.window)
        with rare_collections():
            async for item in with_rows(found, self._state, self._storage):
                if self.window is not usual and not self._is_selected(item, usual):
                    continue
                selection.add(item.assets)
                changes.add(item)
        changes.found_by_search = len(changes.seen)
        if not source.is_complete:
            notice(_INCOMPLETE)
        if not (changes.found or self._state.rows or source.errors):
            notice(self._nothing_found())
        self._former = former_sources(changes, self._source_href)
        unseen = set(changes.unseen(self._criteria, self._source_href, self._former))
        if self._whole:
            unseen |= self._lost()
        async for item in with_rows(source.items_by_id(unseen), self._state, self._storage):
            changes.add(item)
        if source.is_complete:
            await self._find_abandoned(unseen - source.undecided)
        nothing_fits = selection.report()
        if nothing_fits is not None:
            if changes.wanted:
                raise nothing_fits
            notice(nothing_fits.message)

    async def find_removed(self, marked: bool) -> None:
        """Determine which items have left the source.

        Args:
            marked: Whether to include items that are already marked as removed.

        Raises:
            SourceError: The request for the items failed.
        """
        if not self._source.is_complete:
            return
        # Any item of the mirror can be missing.
        await in_executor(self._storage.executor, self._state.rows.unread.require_all)
        missing = removal.missing_from_search(
            self.changes, self._criteria, self.window, self._sources, marked
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
        self.removed = gone

    def _window_of_all_items(self, usual: Window) -> Window:
        """Return a relative time window that begins with the first item of the mirror."""
        rows = self._state.rows
        keys = (key for key in rows if self._criteria.matches_ids(*key))
        starts = [when for key in keys if (when := moment(rows[key].span[0])) is not None]
        if usual.start is None or not starts or min(starts) >= usual.start:
            return usual
        return dataclasses.replace(usual, start=min(starts))

    def _is_selected(self, item: SourceDocument, usual: Window) -> bool:
        """Return whether the mirror has an item, or earlier runs would have mirrored the item."""
        key, state = item.key, self._state
        if key is None or key in state.rows or key in state.started or key in state.lost:
            return True
        return usual.touches(*span_of(item.document))

    def _lost(self) -> set[Key]:
        """Return the items of this source with a missing document that the search did not find."""
        return {
            key
            for key, source in self._state.lost.items()
            if key not in self.changes.seen
            and source in self._sources
            and self._criteria.matches_ids(*key)
        }

    async def _find_abandoned(self, requested: set[Key]) -> None:
        """Determine which incomplete items have left the source.

        Args:
            requested: Items that were requested by id, with a definite answer.

        Raises:
            SourceError: The request for the items failed.
        """
        others = self.changes.unfinished(self._sources) - requested
        gone = {key for key in requested if key not in self.changes.seen}
        gone.update(await removal.removed_from_source(others, self._source))
        self.abandoned = gone & self._state.started.keys()

    def _nothing_found(self) -> str:
        """Return the notice for the first search of a mirror, if the search found no items."""
        hint = "Check the criteria"
        if self._criteria.bbox is not None or self._criteria.intersects is not None:
            hint = (
                "Swapped coordinates are the usual cause: the order is west, south, east, north, "
                "and longitude before latitude"
            )
        return f"The first search of this mirror found no items ({self.searched}). {hint}"
