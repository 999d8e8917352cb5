"""Read the items of a local file one at a time.

The formats are JSON item collections, newline-delimited JSON and stac-geoparquet. Files may be
larger than memory, and may be compressed with gzip.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stac_asset.errors import ConfigError, SourceError
from stac_asset.rewrite.serialize import without_nan
from stac_asset.stac.compression import open_decompressed
from stac_asset.stac.item_stream import ItemStream
from stac_asset.stac.json_text import loads
from stac_asset.stac.parquet_items import read_parquet

_NDJSON_SUFFIXES = {".ndjson", ".jsonl", ".geojsonl", ".geojsonseq"}
_PARQUET_SUFFIXES = {".parquet", ".geoparquet"}
_NDJSON_SPACE = b"\x1e \r\n\t"
"""Characters around a document, with the record separator of GeoJSON text sequences (RFC 8142)."""

_MAX_LINE = 64 * 1024 * 1024
"""Maximum length of a line of newline-delimited JSON, in bytes."""


def is_item_stream(name: str) -> bool:
    """Return whether a file name stands for newline-delimited JSON or stac-geoparquet.

    Args:
        name: The name of the file, or the path of its URL.
    """
    return item_suffix(name).lower() in _NDJSON_SUFFIXES | _PARQUET_SUFFIXES


def item_suffix(name: str) -> str:
    """Return the suffix of a file name that stands for the format, without `.gz`.

    Args:
        name: The name of the file, or the path of its URL.
    """
    path = PurePosixPath(name)
    return PurePosixPath(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix


def is_item_collection(path: Path, name: str) -> bool:
    """Return whether a file is a JSON item collection, as far as the first fields tell.

    Args:
        path: The file.
        name: Name of the file in notices.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with open_decompressed(path) as file:
            next(iter(ItemStream(file, name)), None)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A line of newline-delimited JSON that is not JSON, in place of the document of an item."""

    reason: str
    """Number of the line, and the error."""


@dataclass(slots=True)
class Reading:
    """Facts about a file of items, which are complete after the last item."""

    count: int = 0
    """Number of items."""

    matched: int | None = None
    """Number of items that the last JSON item collection declares (`numberMatched`), if any."""


def read_items(path: Path, name: str, reading: Reading | None = None) -> Iterator[Any]:
    """Yield the item documents of a file one at a time, without changes.

    A line of newline-delimited JSON that is not JSON is yielded as an `UnreadableItem`.

    Numbers that JSON does not have, such as NaN, are read as null, with a notice.

    Args:
        path: The file. The suffix selects newline-delimited JSON or stac-geoparquet. All other
            files are read as one JSON document.
        name: Name of the file in errors.
        reading: Receives the facts about the file.

    Raises:
        SourceError: The file cannot be read, or is not an item collection.
        ConfigError: The file is stac-geoparquet, and the `geoparquet` extra is not installed.
    """
    reading = reading or Reading()
    suffix = item_suffix(path.name).lower()
    read = (
        _read_parquet
        if suffix in _PARQUET_SUFFIXES
        else _read_ndjson
        if suffix in _NDJSON_SUFFIXES
        else _read_json
    )
    try:
        for document in read(path, name, reading):
            reading.count += 1
            yield document
    except OSError as error:
        raise SourceError(f"'{name}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise SourceError(f"'{name}' is not an item collection: {error}") from None


def _read_json(path: Path, name: str, reading: Reading) -> Iterator[Any]:
    with open_decompressed(path) as file:
        stream = ItemStream(file, name)
        yield from stream
    matched, context = stream.fields.get("numberMatched"), stream.fields.get("context")
    if matched is None and isinstance(context, dict):
        matched = context.get("matched")
    reading.matched = matched if type(matched) is int else None


def _read_ndjson(path: Path, name: str, reading: Reading) -> Iterator[Any]:
    with open_decompressed(path) as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip(_NDJSON_SPACE):
                continue
            try:
                document = loads(line.strip(_NDJSON_SPACE), name)
            except ValueError as error:
                yield UnreadableItem(f"line {number} is not valid JSON: {error}")
            else:
                yield document


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a file in UTF-8, also of a file in UTF-16 or UTF-32."""
    encoding = json.detect_encoding(file.peek(4)[:4])
    if not encoding.startswith("utf-8"):
        texts = io.TextIOWrapper(file, encoding, "surrogatepass")
        try:
            for text in texts:
                yield text.encode("utf-8", "surrogatepass")
        finally:
            texts.detach()  # The caller closes the file.
        return
    while line := file.readline(_MAX_LINE + 1):
        if len(line) > _MAX_LINE:
            raise ValueError(f"a line is longer than {_MAX_LINE:,} bytes")
        yield line


def _read_parquet(path: Path, name: str, reading: Reading) -> Iterator[Any]:
    for document in read_parquet(path):
        yield without_nan(document, name)
