"""Decides what a run has to do: which items of a source are new, changed, or to be tried again.

The documents of these items, and of no others, are kept until they are downloaded: on disk, for
there may be very many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.state.index import State
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.version import Version, version_of


class Reason(StrEnum):
    """Why an item is taken."""

    NEW = "new"
    CHANGED = "changed"
    RETRY = "failed before"
    FILES_MISSING = "files missing"
    RESTORED = "back in the source"


@dataclass(frozen=True, slots=True)
class WantedItem:
    """An item that is to be mirrored."""

    key: Key
    reason: Reason
    version: Version
    place: int
    """Where its document is kept."""


@dataclass(slots=True)
class ChangeSet:
    """What there is to do, as far as the source has been read.

    Args:
        state: What the mirror has.
        wants: Whether an asset of a key is wanted.
        kept: An empty file, open to be read and written.
    """

    state: State
    wants: Callable[[str], bool]
    kept: IO[bytes]
    seen: set[Key] = field(default_factory=set)
    """The items that the source has, of those that were searched for."""

    found: int = 0
    """How many of them the search found, rather than a question for their ids."""

    unchanged: int = 0
    """How many of them are as they were."""

    nameless: int = 0
    """How many have no id, and cannot be mirrored."""

    repeated: int = 0
    """How many the source gave more than once."""

    _fresh: list[WantedItem] = field(default_factory=list)
    _again: list[WantedItem] = field(default_factory=list)

    def add(self, found: Found) -> None:
        """Takes note of an item of the source.

        Args:
            found: The item.
        """
        key = found.key
        if key is None:
            self.nameless += 1
            return
        if key in self.seen:
            self.repeated += 1
            return
        self.seen.add(key)
        version = version_of(found.document, found.base, found.etag, self.wants)
        reason = self._reason(key, version)
        if reason is None:
            self.unchanged += 1
            return
        wanted = WantedItem(key, reason, version, self._keep(found))
        (self._again if reason is Reason.RETRY else self._fresh).append(wanted)

    @property
    def wanted(self) -> list[WantedItem]:
        """What is to be mirrored: what failed before comes last, so that it holds nothing back."""
        return self._fresh + self._again

    def document(self, wanted: WantedItem) -> Found:
        """Returns an item that is to be mirrored.

        Args:
            wanted: Which one.
        """
        self.kept.seek(wanted.place)
        base, etag, document = json.loads(self.kept.readline())
        return Found(document, base, etag)

    def unseen(self, criteria: Criteria, source: str) -> Iterator[Key]:
        """Yields the items that failed before, and that this search did not find.

        They may be older than its window.

        Args:
            criteria: What was searched for.
            source: The unsigned href of the source.
        """
        search = criteria.digest(source)
        for key, begun in self.state.begun.items():
            if key not in self.seen and begun.search == search:
                yield key
        for key, row in self.state.rows.items():
            outstanding = (row.failed or row.lost) and not row.removed
            if (
                outstanding
                and key not in self.seen
                and key not in self.state.begun
                and row.source == source
                and criteria.is_about(*key)
                and criteria.covers(row.bbox)
            ):
                yield key

    def _reason(self, key: Key, version: Version) -> Reason | None:
        row = self.state.rows.get(key)
        if row is None:
            return Reason.RETRY if self._failed_before(key, version) else Reason.NEW
        if self._has_changed(row, version):
            return Reason.RETRY if self._failed_before(key, version) else Reason.CHANGED
        if row.removed:
            return Reason.RESTORED
        if row.failed:
            return Reason.RETRY
        return Reason.FILES_MISSING if row.lost else None

    def _has_changed(self, row: IndexRow, version: Version) -> bool:
        gone = row.version.assets.keys() - version.assets.keys()
        return not version.is_of(row.version) or any(self.wants(key) for key in gone)

    def _failed_before(self, key: Key, version: Version) -> bool:
        begun = self.state.begun.get(key)
        return begun is not None and begun.failed and begun.version == version

    def _keep(self, found: Found) -> int:
        place = self.kept.seek(0, 2)
        self.kept.write(json.dumps([found.base, found.etag, found.document]).encode() + b"\n")
        return place
