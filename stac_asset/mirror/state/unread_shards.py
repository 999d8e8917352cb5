"""Internal: the shards of a mirror's index that a run has not read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from stac_asset.mirror.state.placement import part_of, shard_of

Counts = Mapping[str | None, int]
"""Numbers of items by collection."""

ReadShards = Callable[[Mapping[str, Counts]], None]
"""Adds the rows of shards, whose summaries have these numbers. Blocks."""


class UnreadShards:
    """Shards by name, with the numbers of their items."""

    def __init__(self) -> None:
        self.counts: dict[str, Counts] = {}
        """Numbers of items by collection, for each shard."""
        self.items = 0
        """Number of items of these shards."""
        self._depth = 0
        self._read: ReadShards | None = None

    def __bool__(self) -> bool:
        return bool(self.counts)

    def leave(self, depth: int, counts: Mapping[str, Counts], read: ReadShards) -> None:
        """Add shards without reading them. They are read if their rows are needed.

        Args:
            depth: Depth of the shards.
            counts: Numbers of items by collection, for each shard.
            read: Reads shards.
        """
        self._depth, self._read, self.counts = depth, read, dict(counts)
        self.items = sum(sum(one.values()) for one in counts.values())

    def require(self, names: Iterable[str]) -> None:
        """Read shards, if not read yet. Blocks.

        Args:
            names: Names of shards.
        """
        taken = {name: self.counts.pop(name) for name in names if name in self.counts}
        self.items -= sum(sum(one.values()) for one in taken.values())
        if taken:
            assert self._read is not None, "shards are unread after `leave` only"
            self._read(taken)

    def require_places(self, places: Iterable[int]) -> None:
        """Read the shards with places, if not read yet. Blocks.

        Args:
            places: The places.
        """
        self.require(self.names(places))

    def require_part(self, name: str) -> None:
        """Read the shards with rows of a shard of any depth, if not read yet. Blocks.

        Args:
            name: Name of the shard.
        """
        whole = [one for one in self.counts if one.startswith(name)]
        self.require([*whole, name[: self._depth]])

    def require_collection(self, collection: str | None) -> None:
        """Read the shards with items of a collection, if not read yet. Blocks.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        self.require(self.names_of(collection))

    def names_of(self, collection: str | None) -> list[str]:
        """Return the names of the shards with items of a collection.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        return [name for name, one in self.counts.items() if one.get(collection)]

    def require_all(self) -> None:
        """Read all shards that the run has not read. Blocks."""
        self.require(list(self.counts))

    def names(self, places: Iterable[int]) -> set[str]:
        """Return the names of the shards with places.

        Args:
            places: The places.
        """
        return {shard_of(part_of(place), self._depth) for place in places}
