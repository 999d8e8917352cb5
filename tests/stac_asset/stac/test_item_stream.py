"""JSON item collections are read item by item, with the deviations of real servers."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stac_asset.stac.item_stream import ItemStream

START = b'{"type": "FeatureCollection", "features": ['


class SmallReads(io.BytesIO):
    """A file that returns few bytes at a time, so that values are split."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        return super().read(self._size)


def read(data: bytes, size: int = 1024) -> tuple[list[Any], dict[str, Any]]:
    stream = ItemStream(SmallReads(data, size), "items")
    return list(stream), stream.fields


@pytest.mark.parametrize("size", [4, 5, 7, 1000])
def test_values_are_read_in_parts_of_any_size(size: int) -> None:
    items = [{"id": 'ä\\"', "n": [1.25e-3, -12, 18446744073709551615]}, {"id": "😀"}]
    document = {"links": [{"rel": "next"}], "type": "FeatureCollection", "features": items}
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        data = json.dumps(document | {"n": 123}, ensure_ascii=False).encode(encoding)
        assert read(data, size) == (
            items,
            {"links": [{"rel": "next"}], "type": "FeatureCollection", "n": 123},
        )


def test_nan_and_lone_surrogates_are_read() -> None:
    found, _ = read(START + b'{"a": NaN}, {"a": -Infinity}, "\\ud800", 1e999]}')
    assert found == [{"a": None}, {"a": None}, "\ud800", None]


def test_collection_without_type_is_read() -> None:
    assert read(b'{"features": [1], "links": []}') == ([1], {"links": []})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the document is empty"),
        (b"<html>", "an HTML or XML page"),
        (b"[1]", "not a JSON object"),
        (b"{}", "`type` is "),
        (b'{"type": "Feature"}', "`type` is 'Feature'"),
        (b'{"type": "FeatureCollection", "features": {}}', "`features` is not a list"),
        (b'{"features": [], "type": "Topology"}', "`type` is 'Topology'"),
        (START, "ends too early"),
        (START + b"1 2]}", "',' is missing"),
        (START + b"1,]}", "not valid JSON"),
        (START + b"1]} {", "more text after the end"),
        (START + b'"\xe9"]}', "not valid Unicode"),
        (START + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_malformed_collection_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(data)


@settings(max_examples=50)
@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    for text in (data, START + data):
        with suppress(ValueError):
            read(text, size)
