"""Internal: read the items of a stac-geoparquet file, also of files that the format forbids.

The reader of stac-geoparquet rejects items without bounding box or geometry, geometry collections,
and times that are stored as text. This module uses pyarrow and shapely, which stac-geoparquet
requires. The columns are described at https://github.com/stac-utils/stac-geoparquet-spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stac_asset.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow

_BATCH_SIZE = 1000
"""Number of items in memory."""

_ITEM_FIELDS = (
    "type",
    "stac_version",
    "stac_extensions",
    "id",
    "collection",
    "geometry",
    "bbox",
    "links",
    "assets",
)
"""Columns that are fields of the item. All other columns are properties."""

_BBOX_FIELDS = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")
"""Fields of a bounding box that is stored as a struct, in the order of GeoJSON."""


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the item documents of a stac-geoparquet file.

    A bounding box or a geometry that is missing is null in the document.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a Parquet file.
        ConfigError: The `geoparquet` extra is not installed.
    """
    try:
        import pyarrow.parquet
        import shapely  # noqa: F401 # reading geometries needs it
    except ImportError:
        raise ConfigError(
            "Reading stac-geoparquet requires an extra: "
            "`pip install 'prefect-stac-asset[geoparquet]'`."
        ) from None
    # Python's error for a missing file is shorter than that of pyarrow.
    with path.open("rb") as opened, pyarrow.parquet.ParquetFile(opened) as file:
        for batch in file.iter_batches(batch_size=_BATCH_SIZE):
            yield from map(_item, _with_text_times(batch).to_pylist())


def _with_text_times(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return the batch with times as RFC 3339 texts."""
    import pyarrow.compute

    for number, name in enumerate(batch.schema.names):
        column = batch.column(number)
        if pyarrow.types.is_timestamp(column.type):
            texts = pyarrow.compute.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
            batch = batch.set_column(number, name, texts)
    return batch


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """Return the item document of a row."""
    item: dict[str, Any] = {"type": "Feature"}
    item |= {name: row.pop(name) for name in _ITEM_FIELDS if row.get(name) is not None}
    properties = row.pop("properties", None)  # Some writers keep the properties together.
    row |= properties if isinstance(properties, dict) else {}
    item["geometry"] = _geometry(item.get("geometry"))
    item["bbox"] = _bbox(item.get("bbox"))
    if item["bbox"] is None:
        del item["bbox"]
    item["properties"] = {k: v for k, v in row.items() if k not in _ITEM_FIELDS}
    assets = item.get("assets") or {}
    if isinstance(assets, dict):
        # All items of a file have the columns of all asset keys.
        assets = {key: asset for key, asset in assets.items() if asset is not None}
    item["assets"] = assets
    item.setdefault("links", [])
    for fields in (item["properties"], *(assets.values() if isinstance(assets, dict) else ())):
        if isinstance(fields, dict) and isinstance(fields.get("proj:geometry"), bytes):
            fields["proj:geometry"] = _geometry(fields["proj:geometry"])
    return item


def _geometry(value: Any) -> Any:
    """Return the GeoJSON geometry of a value in well-known binary. Invalid bytes are null."""
    if not isinstance(value, bytes):
        return value
    import shapely
    import shapely.geometry

    geometry = shapely.from_wkb(value, on_invalid="ignore")
    return _as_lists(shapely.geometry.mapping(geometry)) if geometry is not None else None


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_lists(entry) for name, entry in value.items()}
    return [_as_lists(entry) for entry in value] if isinstance(value, list | tuple) else value


def _bbox(value: Any) -> Any:
    """Return a bounding box as a list, if complete."""
    if isinstance(value, dict):
        value = [value[name] for name in _BBOX_FIELDS if name in value]
        if len(value) == len(_BBOX_FIELDS) and None in (value[2], value[5]):
            value = value[:2] + value[3:5]  # The other items of the file have heights.
    return None if not isinstance(value, list) or None in value else value
