"""Places of items in the shards of a mirror's state.

The place of an item is a hash of the item's folder, so that the place is the same in each run. A
shard has the items whose places begin with the hexadecimal digits in the shard's name. The number
of digits, called depth, grows with the number of items, so that a shard stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from stac_asset.mirror.layout import item_folder
from stac_asset.mirror.source_item import Key
from stac_asset.plan.reservations import folded

MAX_DEPTH = 4
"""Maximum number of hexadecimal digits in the name of a shard."""

ITEMS_PER_SHARD = 500
"""Mean number of items per shard above which the depth grows."""

_BITS = 64
_BITS_PER_DIGIT = 4


def place_of(key: Key) -> int:
    """Return the place of an item, from 0 to 2**64 - 1.

    Items whose folders differ only by letter case or Unicode composition have the same place.

    Args:
        key: Key of the item.
    """
    return place_of_folder(item_folder(key))


def place_of_folder(folder: str) -> int:
    """Return the place of the item with a folder.

    Args:
        folder: Path of the folder, relative to the mirror directory.
    """
    data = folded(folder).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=_BITS // 8).digest(), "big")


def depth_for(
    count: int,
    current: int = 0,
    largest_whole: int = ITEMS_PER_SHARD,
    per_shard: int = ITEMS_PER_SHARD,
) -> int:
    """Return the depth of the shards for a number of items.

    The present depth is kept until it is clearly too small or too large, because a new depth
    rewrites all shards.

    Args:
        count: Number of items.
        current: The present depth. 0 stands for a single file.
        largest_whole: Maximum number of items in a single file.
        per_shard: Mean number of items per shard above which the depth grows.
    """
    needed = _depth(count, largest_whole, per_shard)
    if needed < current and _depth(2 * count, largest_whole, per_shard) >= current:
        return current
    return needed


def part_of(place: int) -> int:
    """Return the number of the shard with a place, at the maximum depth.

    Args:
        place: The place of an item.
    """
    return place >> (_BITS - _BITS_PER_DIGIT * MAX_DEPTH)


def shard_of(part: int, depth: int) -> str:
    """Return the name of the shard with a part: `depth` hexadecimal digits.

    Args:
        part: Result of `part_of`.
        depth: The depth. 0 stands for a single file, with an empty name.
    """
    return f"{part >> _BITS_PER_DIGIT * (MAX_DEPTH - depth):0{depth}x}" if depth else ""


def shard_names(depth: int) -> Iterator[str]:
    """Yield the names of all shards of a depth in order. A depth of 0 has an empty name.

    Args:
        depth: The depth.
    """
    if depth == 0:
        yield ""
        return
    for number in range(16**depth):
        yield f"{number:0{depth}x}"


def bits_below(depth: int) -> int:
    """Return the number of bits of a place after the digits of its shard.

    Args:
        depth: Depth of the shards. 0 stands for a single file.
    """
    return _BITS - _BITS_PER_DIGIT * depth


def first_place(name: str) -> int:
    """Return the lowest place of a shard.

    Args:
        name: Name of the shard.
    """
    return int(name or "0", 16) << bits_below(len(name))


def end_place(name: str) -> int:
    """Return the lowest place after a shard.

    Args:
        name: Name of the shard.
    """
    return first_place(name) + (1 << bits_below(len(name)))


def _depth(count: int, largest_whole: int, per_shard: int) -> int:
    if count <= largest_whole:
        return 0
    depth = 1
    while depth < MAX_DEPTH and count > per_shard * 16**depth:
        depth += 1
    return depth
