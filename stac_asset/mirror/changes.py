"""Decides which items a run downloads: new, changed, failed, incomplete and restored items.

The documents of these items are kept in a file until the download, because a source can have more
items than fit in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import IO

from stac_asset.hrefs import is_missing
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.seen_items import SeenItems
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.state.placement import place_of
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.source_digest import SourceDigests
from stac_asset.mirror.state.version import Version, version_of
from stac_asset.notices import notice
from stac_asset.plan.reasons import Reason
from stac_asset.selection.patterns import AssetSelection
from stac_asset.stac.json_text import loads


@dataclass(frozen=True, slots=True)
class WantedItem:
    """An item to download."""

    key: Key
    """Collection and id of the item."""

    reason: Reason
    """Why the item is downloaded."""

    version: Version
    """Version of the item at the source."""

    offset: int
    """Position of the item's document in the file of documents, in bytes."""

    source_digest: int | None = None
    """Digest of the item at the source, if the document can have one. See `source_digest`."""

    def digest_for(self, version: Version) -> int | None:
        """Return the digest for a row with a version of the item, if the row has no more assets.

        Args:
            version: Version of the row.
        """
        has_all = version.assets.keys() == self.version.assets.keys()
        return self.source_digest if has_all else None


@dataclass(slots=True)
class ChangeSet:
    """Differences between a source and a mirror, for the part of the source read so far.

    Args:
        state: State of the mirror.
        selection: The decision which assets are wanted.
        documents: An empty file, open for reading and writing, for the documents of wanted items.
    """

    state: MirrorState
    selection: AssetSelection
    documents: IO[bytes]
    checks_files: bool = False
    """Whether an item is incomplete if its document names no file of a wanted asset. An audit finds
    documents that were edited in this way."""

    seen: SeenItems = field(init=False)
    """Items that the source has, found by the search or by id."""

    collections: set[str] = field(default_factory=set)
    """Collections of these items."""

    sources: set[str] = field(default_factory=set)
    """Unsigned hrefs that the mirror recorded as the source of these items."""

    found_by_search: int = 0
    """Number of items found by the search, without those found by id."""

    unchanged: int = 0
    """Number of items that need no download."""

    without_id: int = 0
    """Number of items without id, which cannot be mirrored."""

    duplicates: int = 0
    """Number of items that the source returned again. The first document counts."""

    foreign: frozenset[str] = frozenset()
    """Paths of files of other programs, which no document of the mirror replaces."""

    other_metadata: list[WantedItem] = field(default_factory=list)
    """Items with complete files, and with metadata that differs or that was not recorded."""

    _first_attempts: list[WantedItem] = field(default_factory=list)
    _retries: list[WantedItem] = field(default_factory=list)
    _digests: SourceDigests = field(init=False)

    def __post_init__(self) -> None:
        self.seen = SeenItems(self.state.rows)
        self._digests = SourceDigests(self.selection)

    def add(self, item: SourceDocument) -> None:
        """Compare an item of the source with the mirror.

        Args:
            item: The item.
        """
        key = item.key
        if key is None:
            self.without_id += 1
            number = len(self.seen) + self.without_id + self.duplicates
            notice("Items without a valid id cannot be mirrored", f"item {number} of the source")
            return
        rows = self.state.rows
        digest = None
        if not self.checks_files:
            digest = self._digests.digest(item.document, item.base)
        stored = rows.stored_with_digest(place_of(key), digest) if digest is not None else None
        if stored is not None and not self.seen.has_number(stored):
            self.seen.add_number(stored)
            self._count(key, rows.stored.source(stored))
            self.unchanged += 1
            return
        if key in self.seen:
            self.duplicates += 1
            notice("Items that the source returns twice are mirrored once", f"item '{key.id}'")
            return
        self._compare(key, item, digest)

    def _compare(self, key: Key, item: SourceDocument, digest: int | None) -> None:
        """Compare an item whose digest is not known."""
        row = self.state.rows.get(key)
        self.seen.add(key)
        self._count(key, row.source if row is not None else None)
        version = version_of(item.document, item.base, item.etag, self.selection.selects)
        if version.metadata is None:
            digest = None
        reason = self._reason(key, row, version, item)
        if row is not None and self.checks_files and reason in (None, Reason.METADATA):
            is_complete = not assets_without_file(item, row, version)
            reason = reason if is_complete else Reason.FILES_MISSING
        if reason is None:
            assert row is not None, "only items with a row are up to date"
            has_all = row.version.assets.keys() == version.assets.keys()
            if row.source_digest is None and digest is not None and has_all:
                self.state.rows.learn(key, digest)
            self.unchanged += 1
            return
        wanted = WantedItem(key, reason, version, self._store(item), digest)
        if reason is Reason.METADATA:
            self.other_metadata.append(wanted)
            return
        (self._retries if reason is Reason.RETRY else self._first_attempts).append(wanted)

    def _count(self, key: Key, source: str | None) -> None:
        """Record the collection of an item, and the source that the mirror recorded."""
        if key.collection is not None:
            self.collections.add(key.collection)
        if source is not None:
            self.sources.add(source)

    def wants(self, key: str, item: SourceDocument) -> bool:
        """Return whether an asset is wanted.

        An asset that the source does not have any more is wanted if its key, or any roles or media
        type, can select the asset.

        Args:
            key: The key of the asset.
            item: The item of the source.
        """
        assets = item.assets
        if key not in assets:
            return self.selection.may_select(key)
        return self.selection.selects(key, assets[key])

    @property
    def found(self) -> int:
        """Number of items that the source has, including those without id."""
        return len(self.seen) + self.without_id

    @property
    def wanted(self) -> list[WantedItem]:
        """Items to download, with retries last, so that failing items do not delay others."""
        return self._first_attempts + self._retries

    def document(self, wanted: WantedItem) -> SourceDocument:
        """Return the document of an item to download.

        Args:
            wanted: The item.
        """
        self.documents.seek(wanted.offset)
        base, etag, document = loads(self.documents.readline())
        return SourceDocument(document, base, etag)

    def unseen(self, criteria: Criteria, source: str, former: Collection[str]) -> Iterator[Key]:
        """Yield the incomplete items of the mirror that this search did not find.

        These items can be older than the time window of the search.

        Args:
            criteria: The search criteria.
            source: The unsigned href of the source.
            former: Former hrefs of the source.
        """
        search = criteria.digest(source)
        for key, started in self.state.started.items():
            is_same = started.search == search or (
                started.source in former and criteria.matches_ids(*key)
            )
            if key not in self.seen and is_same:
                yield key
        for key in self.state.rows.incomplete:
            if key in self.seen or key in self.state.started:
                continue
            row = self.state.rows[key]
            if (
                not row.removed
                and (row.source == source or row.source in former)
                and criteria.matches_ids(*key)
                and criteria.covers(row.bbox)
            ):
                yield key

    def unfinished(self, sources: Collection[str]) -> set[Key]:
        """Return the incomplete items of all searches of a source that this run has not found.

        Args:
            sources: The unsigned hrefs of the source, including former ones.
        """
        return {
            key
            for key, started in self.state.started.items()
            if key not in self.seen and started.source in sources
        }

    def _reason(
        self, key: Key, row: IndexRow | None, version: Version, item: SourceDocument
    ) -> Reason | None:
        """Return why to download an item. None means that the item is up to date."""
        if row is None:
            return Reason.RETRY if self._failed_before(key, version) else Reason.NEW
        if self._has_changed(row, version, item):
            return Reason.RETRY if self._failed_before(key, version) else Reason.CHANGED
        if row.removed:
            return Reason.RESTORED
        if row.failed:
            return Reason.RETRY
        if row.missing_files:
            return Reason.FILES_MISSING
        return None if version.has_same_metadata(row.version) else Reason.METADATA

    def _has_changed(self, row: IndexRow, version: Version, item: SourceDocument) -> bool:
        removed_assets = row.version.assets.keys() - version.assets.keys()
        return not version.is_included_in(row.version) or any(
            self.wants(key, item) for key in removed_assets
        )

    def _failed_before(self, key: Key, version: Version) -> bool:
        """Return whether an earlier run failed to download the same version of an item."""
        started = self.state.started.get(key)
        return started is not None and started.failed and version.is_included_in(started.version)

    def _store(self, item: SourceDocument) -> int:
        """Append a document to the file of documents, and return the position in bytes."""
        offset = self.documents.seek(0, os.SEEK_END)
        self.documents.write(json.dumps([item.base, item.etag, item.document]).encode() + b"\n")
        return offset


def assets_without_file(item: SourceDocument, row: IndexRow, version: Version) -> list[str]:
    """Return the wanted assets for which the mirrored document names no file, and no failure.

    Args:
        item: The item of the source.
        row: Row of the item.
        version: Version of the item at the source.
    """
    keys = version.assets.keys() - row.files.keys() - set(row.failed)
    if not keys:
        return []
    assets = item.document["assets"]
    return [
        key
        for key in version.assets
        if key in keys and isinstance(assets[key], dict) and not is_missing(assets[key].get("href"))
    ]
