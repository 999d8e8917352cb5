"""Reads the items of a large, local item collection one at a time: JSON, NDJSON, or parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stac_asset.errors import ConfigError, SourceError

_LINES = {".ndjson", ".jsonl", ".geojsonl", ".geojsonseq"}
_PARQUET = {".parquet", ".geoparquet"}


def is_item_stream(suffix: str) -> bool:
    """Returns whether a suffix tells a format of many items that is no JSON document.

    Args:
        suffix: The suffix of a file's name, with its dot.
    """
    return suffix.lower() in _LINES | _PARQUET


def read_items(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yields the documents of the items, as they stand in the file, without holding them.

    Args:
        path: The file. Its suffix tells newline-delimited JSON and stac-geoparquet; everything
            else is one JSON document.
        name: What to call it in errors.

    Raises:
        SourceError: It cannot be read, or is no item collection.
        ConfigError: It is parquet, and what reads that is not installed.
    """
    suffix = path.suffix.lower()
    read = _of_parquet if suffix in _PARQUET else _of_lines if suffix in _LINES else _of_json
    try:
        yield from read(path)
    except OSError as error:
        raise SourceError(f"'{name}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise SourceError(f"'{name}' is no item collection: {error}") from None


def _of_json(path: Path) -> Iterator[dict[str, Any]]:
    import ijson

    try:
        with path.open("rb") as file:
            kind = next(ijson.items(file, "type"), None)
            if kind != "FeatureCollection":
                raise ValueError(f"its type is {kind!r}, which should be 'FeatureCollection'")
            file.seek(0)
            yield from ijson.items(file, "features.item", use_float=True)
    except ijson.JSONError as error:
        first = str(error).partition("\n")[0].strip()  # What follows is an excerpt.
        raise ValueError(f"it is no JSON: {first}") from None


def _of_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip(b"\x1e \r\n\t"):
                try:
                    yield json.loads(line.strip(b"\x1e \r\n\t"))
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"line {number} is no JSON: {error}") from None


def _of_parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow.parquet
        import stac_geoparquet.arrow
    except ImportError:
        raise ConfigError(
            "stac-geoparquet needs the extra of that name: "
            "pip install 'prefect-stac-asset[geoparquet]'"
        ) from None
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            table = pyarrow.Table.from_batches([batch])
            yield from stac_geoparquet.arrow.stac_table_to_items(table)
