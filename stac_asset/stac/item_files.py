"""Read the items of a local file one at a time.

The formats are JSON item collections, newline-delimited JSON and stac-geoparquet. Files may be
larger than memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stac_asset.errors import ConfigError, SourceError
from stac_asset.stac.parquet_items import read_parquet

_NDJSON_SUFFIXES = {".ndjson", ".jsonl", ".geojsonl", ".geojsonseq"}
_PARQUET_SUFFIXES = {".parquet", ".geoparquet"}
_NDJSON_SPACE = b"\x1e \r\n\t"
"""Characters around a document, with the record separator of GeoJSON text sequences (RFC 8142)."""


def is_item_stream(suffix: str) -> bool:
    """Return whether a suffix stands for newline-delimited JSON or stac-geoparquet.

    Args:
        suffix: The suffix of a file name, with the dot.
    """
    return suffix.lower() in _NDJSON_SUFFIXES | _PARQUET_SUFFIXES


def read_items(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the item documents of a file one at a time, without changes.

    Args:
        path: The file. The suffix selects newline-delimited JSON or stac-geoparquet. All other
            files are read as one JSON document.
        name: Name of the file in errors.

    Raises:
        SourceError: The file cannot be read, or is not an item collection.
        ConfigError: The file is stac-geoparquet, and the `geoparquet` extra is not installed.
    """
    suffix = path.suffix.lower()
    read = (
        read_parquet
        if suffix in _PARQUET_SUFFIXES
        else _read_ndjson
        if suffix in _NDJSON_SUFFIXES
        else _read_json
    )
    try:
        yield from read(path)
    except OSError as error:
        raise SourceError(f"'{name}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise SourceError(f"'{name}' is not an item collection: {error}") from None


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    import ijson

    try:
        with path.open("rb") as file:
            kind = next(ijson.items(file, "type"), None)
            if kind != "FeatureCollection":
                raise ValueError(f"`type` is {kind!r}, expected 'FeatureCollection'")
            file.seek(0)
            yield from ijson.items(file, "features.item", use_float=True)
    except ijson.JSONError as error:
        first = str(error).partition("\n")[0].strip()  # The next lines quote the document.
        raise ValueError(f"not valid JSON: {first}") from None


def _read_ndjson(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip(_NDJSON_SPACE):
                try:
                    yield json.loads(line.strip(_NDJSON_SPACE))
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"line {number} is not valid JSON: {error}") from None
