"""Internal: the record of the GeoParquet files of a mirror, which shows the files to write.

The record has the versions of the files that contain all items. If the files are parts, the record
also names the parts that a run is about to change. So a run after a killed run writes these parts
only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stac_asset.mirror.layout import INDEX, PARQUET, PARQUET_STATE
from stac_asset.mirror.state.placement import MAX_DEPTH, part_of, place_of, shard_names, shard_of
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage, Stamp
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(frozen=True, slots=True)
class ParquetRecord:
    """The GeoParquet files of a mirror before a run."""

    is_whole: bool = False
    """Whether there is a single file with all items."""

    parts: Mapping[str, Stamp] = field(default_factory=dict)
    """The stamp of each part by name, if there are parts."""

    outdated: frozenset[str] = frozenset()
    """Names of the parts that can lack changes of a killed run."""

    texts: frozenset[tuple[str, ...]] = frozenset()
    """Fields that are JSON text in all parts. See `column_types`."""

    @property
    def is_current(self) -> bool:
        """Whether the files have all items."""
        return self.is_whole or bool(self.parts and not self.outdated)

    @property
    def depth(self) -> int:
        """Depth of the parts. 0 stands for a single file. See `placement`."""
        return len(next(iter(self.parts), ""))


def part_path(name: str) -> str:
    """Return the path of a part, relative to the mirror.

    Args:
        name: Name of the part: hexadecimal digits.
    """
    return f"{PARQUET}/{name}.parquet"


def read_record(storage: MirrorStorage) -> ParquetRecord:
    """Return the record of the GeoParquet files, before a run.

    Earlier releases did not write a record. Their index is older than a file with all items.

    Args:
        storage: The files of the mirror.

    Raises:
        DestinationError: A request to an object store failed.
    """
    data = storage.read(PARQUET_STATE)
    if data is None:
        return ParquetRecord(storage.is_listed(INDEX) and storage.is_newer(PARQUET, INDEX))
    try:
        recorded = loads(data)
    except ValueError:
        return ParquetRecord()
    if not isinstance(recorded, dict):
        return ParquetRecord()
    if "parts" not in recorded:
        stamp = storage.stamp(PARQUET)
        return ParquetRecord(recorded.get("stamp") == (list(stamp) if stamp is not None else None))
    return _record_of_parts(
        storage, recorded["parts"], recorded.get("outdated"), recorded.get("texts")
    )


def _record_of_parts(
    storage: MirrorStorage, parts: Any, outdated: Any, texts: Any
) -> ParquetRecord:
    """Return the record of parts. Parts that another program changed are outdated."""
    depth = len(next(iter(parts))) if isinstance(parts, dict) and parts else 0
    names = list(shard_names(depth)) if 0 < depth <= MAX_DEPTH else []
    if not names or parts.keys() != set(names) or not isinstance(outdated, list):
        return ParquetRecord()
    if not isinstance(texts, list) or not all(isinstance(path, list) for path in texts):
        return ParquetRecord()
    stamps: dict[str, Stamp] = {}
    for name in names:
        stamp = storage.stamp(part_path(name))
        if stamp is None:
            return ParquetRecord()
        stamps[name] = stamp
    changed = {name for name in names if parts[name] != list(stamps[name])}
    changed.update(name for name in names if name in outdated)
    paths = frozenset(tuple(map(str, path)) for path in texts)
    return ParquetRecord(False, stamps, frozenset(changed), paths)


def record_whole(storage: MirrorStorage) -> None:
    """Record that the single GeoParquet file has all items, or that no item is in a file.

    Args:
        storage: The files of the mirror.

    Raises:
        DestinationError: The record cannot be written.
    """
    _write(storage, {"stamp": storage.stamp(PARQUET)})


def record_parts(storage: MirrorStorage, record: ParquetRecord) -> None:
    """Write the record of the parts.

    Args:
        storage: The files of the mirror.
        record: The record.

    Raises:
        DestinationError: The record cannot be written.
    """
    fields = {
        "parts": dict(record.parts),
        "outdated": sorted(record.outdated),
        "texts": sorted(record.texts),
    }
    _write(storage, fields)


def record_outdated(storage: MirrorStorage, record: ParquetRecord, rows: Rows) -> None:
    """Record that the files can be outdated, before the index of the mirror changes.

    Args:
        storage: The files of the mirror.
        record: The record before the run.
        rows: All items in the mirror.

    Raises:
        DestinationError: The record cannot be changed.
    """
    if not record.parts:
        storage.remove_document(PARQUET_STATE)
        return
    parts = rows.outdated.unclear.union(part_of(place_of(key)) for key in rows.changed_keys)
    changed = {shard_of(part, record.depth) for part in parts}
    record_parts(storage, dataclasses.replace(record, outdated=record.outdated | changed))


def _write(storage: MirrorStorage, fields: dict[str, Any]) -> None:
    data = json_bytes(fields, indent=None)
    if storage.read(PARQUET_STATE) != data:
        storage.write(PARQUET_STATE, data)
