"""Writes the GeoParquet file with the items of a mirror, which other tools can query."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from stac_asset.errors import DestinationError
from stac_asset.hrefs import absolute_href, is_absolute, is_missing, relative_href
from stac_asset.mirror.output.column_types import ColumnTypes, name_of
from stac_asset.mirror.search.window import moment
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import PARQUET
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.stac.geometry import without_heights
from stac_asset.stac.json_text import loads

_BATCH_SIZE = 1000
"""Maximum number of items in memory."""

_BLOCK = 1024 * 1024
"""Number of bytes of the file that are copied at a time."""

_NO_GEOMETRY = f"Items without a valid geometry are not in {PARQUET}"
"""The notice for items that the file cannot have."""

_DATETIME_FIELDS = (
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "expires",
    "published",
    "unpublished",
)
"""Properties that stac-geoparquet stores in timestamp columns, which accept only valid times."""


def has_geoparquet() -> bool:
    """Return whether the extra `geoparquet` is installed."""
    return all(importlib.util.find_spec(name) for name in ("stac_geoparquet", "pyarrow"))


def write_parquet(storage: MirrorStorage, rows: Iterable[IndexRow]) -> None:
    """Write the file with all items that have a position and a geometry.

    The file is removed if no item has both.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.

    Raises:
        ValueError: The items do not fit into one table. An existing file is kept.
        DestinationError: The file cannot be written.
    """
    # stac-geoparquet requires a bounding box and a geometry for each item.
    ordered = sorted((row for row in rows if row.bbox), key=lambda row: row.document)
    items = _items(storage, ordered)
    first = next(items, None)
    if first is None:
        storage.remove("", [PARQUET])
        return
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        whole = Path(folder, "whole")
        try:
            _write_table(chain([first], items), whole)
        except Exception:  # The exceptions of stac-geoparquet are not documented.
            try:
                _write_table(_unified_items(storage, ordered), whole)
            except Exception as error:
                raise ValueError(f"the items do not fit into one table: {error}") from error
        with whole.open("rb") as file:
            storage.write_blocks(PARQUET, iter(partial(file.read, _BLOCK), b""))


def _write_table(items: Iterator[dict[str, Any]], whole: Path) -> None:
    import stac_geoparquet.arrow

    with tempfile.TemporaryDirectory(dir=whole.parent) as chunks:
        # Write chunks to files first, so that not all items are in memory.
        batches = stac_geoparquet.arrow.parse_stac_items_to_arrow(
            items, _BATCH_SIZE, "ChunksToDisk", chunks
        )
        stac_geoparquet.arrow.to_parquet(batches, whole)


def _unified_items(storage: MirrorStorage, rows: Sequence[IndexRow]) -> Iterator[dict[str, Any]]:
    """Yield the items in a form that fits into one table, and record notices."""
    types = ColumnTypes()
    valid = set()
    for item in _items(storage, rows):
        if _is_valid_geometry(item["geometry"]):
            valid.add(Key(item.get("collection"), item["id"]))
            types.add(item)
    for field in sorted(types.text_fields()):
        notice(f"Fields have several types, and are JSON text in {PARQUET}", f"'{name_of(field)}'")
    yield from types.unified(_items(storage, [row for row in rows if row.key in valid]))


def _is_valid_geometry(geometry: Any) -> bool:
    import shapely.geometry

    try:
        shapely.to_wkb(shapely.geometry.shape(geometry))
    except Exception:  # The exceptions for malformed coordinates are not documented.
        notice(_NO_GEOMETRY)
        return False
    return True


def _items(storage: MirrorStorage, rows: Sequence[IndexRow]) -> Iterator[dict[str, Any]]:
    """Yield the item documents in the form of the table, with hrefs relative to the file."""
    parquet = str(storage.directory / PARQUET)
    documents = storage.read_all(row.document for row in rows)
    for row, (name, data) in zip(rows, documents, strict=True):
        path = str(storage.directory / name)
        if data is None:
            raise DestinationError(f"Item document '{path}' cannot be read")
        document = loads(data, path)
        if not isinstance(document.get("geometry"), dict):
            notice(_NO_GEOMETRY, f"item '{row.key.id}'")
            continue
        assert row.bbox is not None, "only items with a position are written"
        # All boxes of a column have the same number of values.
        document["bbox"] = list(without_heights(row.bbox))
        properties = document["properties"]
        for name in properties.keys() & _DATETIME_FIELDS:
            # An invalid time in one item would make the whole table fail.
            when = moment(properties[name])
            properties[name] = when.isoformat() if when is not None else None
        document["links"] = [
            # The mirror fields differ in type from item to item, and a column has one type.
            {name: value for name, value in link.items() if not name.startswith("mirror:")}
            | {"href": _relative_to_parquet(link["href"], path, parquet)}
            for link in document["links"]
        ]
        for fields in (properties, *document["assets"].values()):
            if not isinstance(fields.get("proj:geometry", {}), dict):
                del fields["proj:geometry"]
        for asset in document["assets"].values():
            asset["href"] = _relative_to_parquet(asset["href"], path, parquet)
        yield document


def _relative_to_parquet(href: str, document: str, parquet: str) -> str:
    if is_absolute(href) or is_missing(href):
        return href
    return relative_href(absolute_href(href, document), parquet)
