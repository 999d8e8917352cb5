"""Writes the GeoParquet files with the items of a mirror, which other tools can query.

A mirror with few items has one file. A mirror with more items has a folder of the same name, with a
file for each part of the items.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from stac_asset.mirror.layout import PARQUET
from stac_asset.mirror.output.parquet_items import UnifiedItems, item_documents
from stac_asset.mirror.output.parquet_parts import (
    remove_parts,
    write_all_parts,
    write_changed_parts,
)
from stac_asset.mirror.output.parquet_record import ParquetRecord, record_parts, record_whole
from stac_asset.mirror.state.placement import depth_for
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage

_LARGEST_WHOLE = 10_000
"""Maximum number of items in a single file."""

_ITEMS_PER_PART = 5_000
"""Mean number of items per part above which there are more parts."""

_BATCH_SIZE = 1000
"""Maximum number of items in memory."""

_BLOCK = 1024 * 1024
"""Number of bytes of the file that are copied at a time."""


def has_geoparquet() -> bool:
    """Return whether the extra `geoparquet` is installed."""
    return all(importlib.util.find_spec(name) for name in ("stac_geoparquet", "pyarrow"))


def write_parquet(
    storage: MirrorStorage,
    rows: Rows,
    record: ParquetRecord,
    largest_whole: int = _LARGEST_WHOLE,
    per_part: int = _ITEMS_PER_PART,
) -> None:
    """Write the files with all items that have a position and a geometry, and the record.

    Only the parts with changed items are written. The files are removed if no item has both.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.
        record: The record before the run.
        largest_whole: Maximum number of items in a single file.
        per_part: Mean number of items per part above which there are more parts.

    Raises:
        ValueError: The items do not fit into one table. Existing files are kept.
        DestinationError: A file cannot be written.
    """
    depth = depth_for(len(rows), record.depth, largest_whole, per_part)
    if depth == 0:
        _write_whole(storage, rows)
        record_whole(storage)
        return
    written = write_changed_parts(storage, rows, record) if depth == record.depth else None
    if written is None:
        written = write_all_parts(storage, rows, depth)
    remove_parts(storage, keep=written.parts)
    if written.parts:
        record_parts(storage, written)
    else:
        record_whole(storage)


def _write_whole(storage: MirrorStorage, rows: Rows) -> None:
    """Write a single file, or remove the file if no item has a position and a geometry."""
    ordered = sorted((row for row in rows.values() if row.bbox), key=lambda row: row.document)
    items = item_documents(storage, ordered)
    first = next(items, None)
    if first is None:
        remove_parts(storage)
        storage.remove("", [PARQUET])
        return
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        whole = Path(folder, "whole")
        try:
            _write_table(chain([first], items), whole)
        except Exception:  # The exceptions of stac-geoparquet are not documented.
            try:
                _write_table(UnifiedItems.of(storage, ordered).documents(ordered), whole)
            except Exception as error:
                raise ValueError(f"the items do not fit into one table: {error}") from error
        remove_parts(storage)  # A directory cannot have a file and a folder of the same name.
        with whole.open("rb") as file:
            storage.write_blocks(PARQUET, iter(partial(file.read, _BLOCK), b""))


def _write_table(items: Iterator[dict[str, Any]], whole: Path) -> None:
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    first = list(islice(items, _BATCH_SIZE))
    following = next(items, None)
    if following is None:
        # A single batch needs no temporary file. Also, stac-geoparquet then reads the memory use of
        # the process less often. Each of these readings takes longer than writing a small file.
        to_parquet(parse_stac_items_to_arrow(first, schema="FullFile"), whole)
        return
    with tempfile.TemporaryDirectory(dir=whole.parent) as chunks:
        # Write chunks to files first, so that not all items are in memory.
        batches = parse_stac_items_to_arrow(
            chain(first, [following], items), _BATCH_SIZE, "ChunksToDisk", chunks
        )
        to_parquet(batches, whole)
