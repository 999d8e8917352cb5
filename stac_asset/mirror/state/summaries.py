"""Summaries of the shards of a mirror's index.

A run reads the shards with items that the source returned. The summaries have the facts that the
run needs of the other shards. A summary is valid only together with its shard: a shard that another
program or a killed run wrote has another stamp, and is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stac_asset.mirror.layout import SUMMARIES, shard_path
from stac_asset.mirror.state.placement import part_of, place_of, shard_names, shard_of
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """The summary of a mirror's index before a run."""

    counts: Mapping[str, Mapping[str | None, int]] = field(default_factory=dict)
    """Numbers of items by collection, for each shard."""

    changed: frozenset[str] = frozenset()
    """Names of the shards that were written or removed after their summary."""

    incomplete: frozenset[str] = frozenset()
    """Names of the shards with items that have failed assets or missing files."""

    asset_keys: tuple[str, ...] = ()
    """Keys of the assets of all items."""


def read_summary(storage: MirrorStorage, depth: int) -> IndexSummary:
    """Return the summary of the index. A missing or damaged file has no shard.

    Args:
        storage: The files of the mirror.
        depth: Depth of the shards, at least 1.

    Raises:
        DestinationError: A request to an object store failed.
    """
    data = storage.read(SUMMARIES)
    try:
        fields = loads(data) if data is not None else {}
        names, shards = fields["collections"], fields["shards"]
        counts = {
            name: {names[number]: int(count) for number, count in shards[name][1]}
            for name in shard_names(depth)
        }
        return IndexSummary(
            counts,
            frozenset(name for name in counts if _stamp(storage, name) != shards[name][0]),
            frozenset(fields["incomplete"]),
            tuple(map(str, fields["assets"])),
        )
    except (ValueError, TypeError, LookupError):
        return IndexSummary()


def write_summary(storage: MirrorStorage, rows: Rows, depth: int) -> None:
    """Write the summary after the shards, unless the summary is the same as before.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror, whose shards were written.
        depth: Depth of the shards. 0 stands for a single file, without a summary.

    Raises:
        DestinationError: The summary cannot be written.
    """
    if depth == 0:
        if storage.stamp(SUMMARIES) is not None:
            storage.remove_document(SUMMARIES)
        return
    numbers: dict[str | None, int] = {}
    shards: dict[str, Any] = {}
    found = {name: Counter(rows.unread.counts.get(name)) for name in shard_names(depth)}
    for place, collection in rows.read_places():
        found[shard_of(part_of(place), depth)][collection] += 1
    for name, counts in found.items():
        ordered = sorted(counts.items(), key=lambda pair: pair[0] or "")
        pairs = [(numbers.setdefault(key, len(numbers)), count) for key, count in ordered]
        shards[name] = _stamp(storage, name), pairs
    incomplete = {shard_of(part_of(place_of(key)), depth) for key in rows.incomplete}
    fields = {
        "collections": list(numbers),
        "assets": sorted(rows.asset_keys),
        "incomplete": sorted(incomplete),
        "shards": shards,
    }
    data = json_bytes(fields, indent=None)
    if storage.read(SUMMARIES) != data:
        storage.write(SUMMARIES, data)


def _stamp(storage: MirrorStorage, name: str) -> list[Any] | None:
    stamp = storage.stamp(shard_path(name))
    return list(stamp) if stamp is not None else None
