"""Tracks the items that a run downloads, and the files of each item.

`mirror.run` calls these functions. The list of started items names each file before the file is
written, and until the file is removed. Functions that change files block.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterable

from stac_asset.mirror.changes import WantedItem
from stac_asset.mirror.layout import document_path, item_folder
from stac_asset.mirror.output.item_files import remove_empty_folders, remove_files
from stac_asset.mirror.planning import is_same_download
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.started import StartedItem, recorded_files, write_started
from stac_asset.mirror.storage.interface import MirrorStorage


class StartedItems:
    """The started items of a mirror during a run.

    Args:
        storage: The files of the mirror.
        state: State of the mirror. Its list of started items is changed.
        search: Digest of the search.
        source: The unsigned href of the source.
    """

    def __init__(
        self, storage: MirrorStorage, state: MirrorState, search: str, source: str
    ) -> None:
        self._storage = storage
        self._state = state
        self._search = search
        self._source = source
        self._new: set[Key] = set()
        """Items without a document that this run downloads."""
        self._first: set[Key] = set()
        """Items that no earlier run began."""
        self._completed: dict[Key, StartedItem] = {}
        """Items that are complete or gone. The index on disk can lack this change."""
        self._is_outdated = False
        """Whether the list on disk lacks changes of items that are not in `_completed`."""

    def end(self, completed: Iterable[Key], gone: Iterable[Key]) -> None:
        """Remove the files of items that no document references. See `complete`.

        Args:
            completed: Items that an earlier run completed.
            gone: Items that have left the source before they were complete.

        Raises:
            DestinationError: A file cannot be removed.
        """
        for key in self._storage.map(self._remove_replaced, completed):
            self.complete(key)
        for key in self._storage.map(self._remove_abandoned, gone):
            remove_empty_folders(self._storage, [key])
            self.complete(key)

    def start(self, chosen: Iterable[tuple[WantedItem, frozenset[str]]]) -> None:
        """Add the items of a run.

        Args:
            chosen: The items, and the names of the planned files of each.
        """
        started, since = self._state.started, time.time()
        for wanted, planned in chosen:
            before = started.get(wanted.key)
            if before is None:
                self._first.add(wanted.key)
            files = self.files(wanted.key) | planned
            same = before is not None and is_same_download(before, wanted)
            earlier = before if same else None
            started[wanted.key] = StartedItem(
                wanted.version,
                earlier.since if earlier is not None else since,
                self._search,
                self._source,
                files=files,
                versions=(
                    earlier.versions
                    if earlier is not None
                    else self._storage.versions(item_folder(wanted.key))
                ),
            )
            if wanted.key not in self._state.rows:
                self._new.add(wanted.key)

    def start_removal(self, rows: Iterable[IndexRow]) -> None:
        """Add items that left the source, whose files this run removes.

        A later run then removes what is left if this run is killed.

        Args:
            rows: Rows of the items.
        """
        for row in rows:
            self._is_outdated = True
            self._state.started[row.key] = StartedItem(
                row.version,
                time.time(),
                self._search,
                self._source,
                files=recorded_files(row, self._state.started.get(row.key)),
            )

    def files(self, key: Key) -> frozenset[str]:
        """Return the names of all files in an item's folder that the mirror wrote for the item.

        Args:
            key: Key of the item.
        """
        return recorded_files(self._state.rows.get(key), self._state.started.get(key))

    def fail(self, key: Key, planned: Collection[str] | None) -> None:
        """Record that the download of an item failed. The next run retries the item last.

        Part files that the next run cannot resume are removed.

        Args:
            key: Key of the item.
            planned: Names of the planned files of the item, or None for an item without a plan.

        Raises:
            DestinationError: A file cannot be removed.
        """
        files = self.files(key)
        if planned is not None:
            document = document_path(key)
            remove_files(self._storage, document, (), files.difference(planned))
            folder = item_folder(key)
            files = frozenset(planned).union(
                name for name in files if self._storage.exists(f"{folder}/{name}")
            )
        entry, self._is_outdated = self._state.started[key], True
        self._state.started[key] = dataclasses.replace(entry, failed=True, files=files)

    def leave(self, key: Key) -> None:
        """Remove an item whose download did not begin, unless an earlier run began.

        Args:
            key: Key of the item.
        """
        if key in self._first:
            self._is_outdated = True
            del self._state.started[key]

    def complete(self, key: Key) -> None:
        """Remove an item whose document is complete or removed.

        The list on disk has the item until `finish`.

        Args:
            key: Key of the item.
        """
        self._completed[key] = self._state.started.pop(key)

    def write(self) -> None:
        """Write the list, with the completed items.

        Raises:
            DestinationError: The list cannot be written.
        """
        self._is_outdated = False
        write_started(self._storage, self._completed | self._state.started)

    def write_changes(self) -> None:
        """Write the list if items failed, or if files will be removed.

        Raises:
            DestinationError: The list cannot be written.
        """
        if self._is_outdated:
            self.write()

    def finish(self) -> None:
        """Remove completed items from the list, after the index was written.

        A later run reads the documents of these items if this run is killed before. The empty
        folders of new items that failed are removed too.

        Raises:
            DestinationError: The list cannot be written.
        """
        rows = self._state.rows
        remove_empty_folders(self._storage, [key for key in self._new if key not in rows])
        self._completed.clear()
        self.write()

    def _remove_replaced(self, key: Key) -> Key:
        """Remove the files of earlier versions of an item, and return the key."""
        self._remove_unreferenced(key, keep_parts=True)
        return key

    def _remove_abandoned(self, key: Key) -> Key:
        """Remove the files of an item that left the source, and return the key."""
        self._remove_unreferenced(key, keep_parts=False)
        return key

    def _remove_unreferenced(self, key: Key, keep_parts: bool) -> None:
        """Remove the recorded files of an item that the row of the item does not name.

        Args:
            key: Key of the item.
            keep_parts: Whether to keep the part files of the document, and of files that the row
                names.
        """
        named = recorded_files(self._state.rows.get(key), None)
        names = self.files(key) - named
        document = document_path(key)
        others = () if keep_parts else (*named, document.rpartition("/")[2])
        remove_files(self._storage, document, names, others)
