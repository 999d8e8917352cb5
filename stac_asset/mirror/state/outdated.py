"""Internal: the parts of the index, and of the links to items, that a run must write."""

from __future__ import annotations

from collections import defaultdict

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import part_of, shard_of


class OutdatedParts:
    """The outdated parts of a mirror. See `placement.part_of`."""

    def __init__(self) -> None:
        self._index: set[int] = set()
        self._links: defaultdict[str | None, set[int]] = defaultdict(set)
        """Outdated parts of the links to items, by collection."""
        self._unclear_collections: set[str | None] = set()
        self.changes = 0
        """Number of calls of `add_item`, to notice changes."""
        self.unclear: set[int] = set()
        """Parts of the index with unusable rows, so that changes are unknown."""

    def __bool__(self) -> bool:
        return bool(self._index)

    @property
    def has_links(self) -> bool:
        """Whether links to items are outdated."""
        return bool(self._links)

    def add_row(self, place: int) -> None:
        """Record a changed row of an item that the mirror had before.

        Args:
            place: Place of the item.
        """
        self._index.add(part_of(place))

    def add_item(self, key: Key, place: int) -> None:
        """Record a new or removed item.

        Args:
            key: Key of the item.
            place: Place of the item.
        """
        self.changes += 1
        self._index.add(part_of(place))
        self._links[key.collection].add(part_of(place))

    def add_unclear(self, key: Key, place: int) -> None:
        """Record that the index has a row that cannot be used, or lacks the row of a document.

        Args:
            key: Key of the item.
            place: Place of the item.
        """
        self.add_item(key, place)
        self._unclear_collections.add(key.collection)
        self.unclear.add(part_of(place))

    def shards(self, depth: int) -> list[str]:
        """Return the names of the outdated shards of the index.

        Args:
            depth: Depth of the shards.
        """
        return sorted({shard_of(part, depth) for part in self._index})

    def links(self, collection: str | None) -> frozenset[int]:
        """Return the parts with outdated links to items.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        return frozenset(self._links.get(collection, ()))

    def is_unclear(self, collection: str | None) -> bool:
        """Return whether a collection has rows that could not be used.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        return collection in self._unclear_collections
