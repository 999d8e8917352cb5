"""Items of JSON, newline-delimited JSON and stac-geoparquet files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stac_asset.errors import SourceError
from stac_asset.stac.item_files import UnreadableItem, is_item_stream, read_items
from tests.support.strategies import DOCUMENTS

ITEMS: list[dict[str, Any]] = [
    DOCUMENTS["item"] | {"id": name, "bbox": [0.1, 0, 1, 1.0]} for name in ("first", "second")
]


def json_collection(items: list[dict[str, Any]]) -> bytes:
    # Members of a JSON object have no order, so `type` may follow the items.
    return json.dumps({"features": items, "type": "FeatureCollection"}).encode()


def json_lines(items: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def json_sequence(items: list[dict[str, Any]]) -> bytes:
    """Return a GeoJSON text sequence (RFC 8142), with empty lines."""
    return b"".join(b"\x1e" + json.dumps(item).encode() + b"\r\n\n" for item in items)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("items.json", json_collection),
        ("items.geojson", json_collection),
        ("items", json_collection),
        ("items.ndjson", json_lines),
        ("items.JSONL", json_lines),
        ("items.geojsonl", json_lines),
        ("items.geojsonseq", json_sequence),
    ],
)
def test_suffix_selects_format(
    tmp_path: Path, name: str, write: Callable[[list[dict[str, Any]]], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(write(ITEMS))
    assert list(read_items(path, name)) == ITEMS
    path.write_bytes(write([]))
    assert list(read_items(path, name)) == []


def test_numbers_of_json_are_plain_floats(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_bytes(json_collection(ITEMS))
    assert [type(number) for number in next(read_items(path, "items"))["bbox"]] == [
        float,
        int,
        int,
        float,
    ]


@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_first_item_is_read_before_rest_of_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"items.{suffix}"
    write = json_lines if suffix == "ndjson" else json_collection
    # The damage is beyond the read buffer, and the type precedes the items.
    items = [{"id": str(number), "padding": "x" * 10_000} for number in range(100)]
    data = write(items)
    if suffix == "json":
        data = data.replace(b'{"features"', b'{"type": "FeatureCollection", "features"', 1)
    path.write_bytes(data[:-500])
    found = read_items(path, "items")
    assert next(found) == items[0]
    if suffix == "ndjson":
        assert isinstance(list(found)[-1], UnreadableItem)
        return
    with pytest.raises(SourceError, match="'items' is not an item collection: "):
        list(found)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b'{"type": "Feature"}', "`type` is 'Feature', expected 'FeatureCollection'"),
        ("a.json", b"{}", f"`type` is {None}"),
        ("a.json", b'{"type": "FeatureCollection", "features": [{', "not valid JSON: "),
        ("a.json", b"", "not valid JSON: "),
        ("a.parquet", b"PAR1 and no footer", ""),
    ],
)
def test_malformed_file_raises_source_error(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError) as raised:
        list(read_items(path, "the file"))
    assert str(raised.value).startswith(f"'the file' is not an item collection: {reason}")


@pytest.mark.parametrize("suffix", ["json", "ndjson", "parquet"])
def test_missing_file_raises_source_error(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(SourceError, match=r"'the file' cannot be read: No such file or directory$"):
        list(read_items(tmp_path / f"missing.{suffix}", "the file"))


def test_error_of_malformed_json_omits_content(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_bytes(b'{"type": "FeatureCollection", "features": [{"token": "hunter2" x}]}')
    with pytest.raises(SourceError) as raised:
        list(read_items(path, "items"))
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "is_stream"),
    [
        ("a.ndjson", True),
        ("a.jsonl", True),
        ("a.geojsonl", True),
        ("a.geojsonseq", True),
        ("a.parquet", True),
        ("/b/a.GeoParquet", True),
        ("a.ndjson.gz", True),
        ("a.json", False),
        ("a.json.gz", False),
        ("a.geojson", False),
        ("a.gz", False),
        ("", False),
    ],
)
def test_stream_formats_are_recognized_by_suffix(name: str, is_stream: bool) -> None:
    assert is_item_stream(name) is is_stream


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".ndjson", ".ndjson.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_compressed_items_and_byte_order_marks_are_read(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    items = [{"id": "\u00e4", "nodata": None}, {"id": "b", "nodata": None}]
    lines = [json.dumps(item, ensure_ascii=False).replace("null", "NaN") for item in items]
    text = "\n".join(lines)
    if ".ndjson" not in suffix:
        text = '{"features": [' + ",".join(lines) + "]}"
    data = text.encode(encoding)
    path = tmp_path / f"items{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    assert list(read_items(path, "items")) == items
    path.write_bytes(gzip.compress(data))  # Whatever the name is.
    assert list(read_items(path, "items")) == items


@pytest.mark.parametrize(
    "line", [b"<html>", b'{"id": ', b"[" * 100_000, b"\xff"], ids=["page", "cut", "deep", "bytes"]
)
def test_line_that_is_not_json_is_an_unreadable_item(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "items.ndjson"
    path.write_bytes(b'{"id": "a"}\n\n' + line + b'\n{"id": "b"}\n')
    first, unreadable, last = read_items(path, "items")
    assert (first, last) == ({"id": "a"}, {"id": "b"})
    assert isinstance(unreadable, UnreadableItem)
    assert unreadable.reason.startswith("line 3 is not valid JSON: ")


def test_parquet_items_have_ids_and_assets(shared_data: Path) -> None:
    name = "landsat-100-items.parquet"
    items = list(read_items(shared_data / name, name))
    assert len({item["id"] for item in items}) == 100
    assert all(item["type"] == "Feature" and item["assets"] for item in items)
