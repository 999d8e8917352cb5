"""Digests of metadata, which ignore the form of a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.mirror.state.metadata_digest import metadata_digests

ITEM: dict[str, Any] = {
    "id": "a",
    "stac_extensions": ["one", "two"],
    "bbox": [1, 2.5, 3, 4],
    "properties": {"cloud": 10, "created": "2026-06-01T00:00:00Z", "big": 10**16, "none": None},
    "links": [{"rel": "self", "href": "a"}],
}
ASSETS: dict[str, Any] = {
    "B04": {"href": "https://e.com/B04.tif?v=1", "title": "Red", "gsd": 10},
    "B08": {"href": "./B08.tif"},
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def in_another_form(value: Any) -> Any:
    """Return a value with reversed keys, and whole numbers as floats."""
    if isinstance(value, dict):
        return {key: in_another_form(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [in_another_form(entry) for entry in value]
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole else value


@pytest.mark.parametrize(
    "change",
    [
        {"links": []},
        {"stac_extensions": ["two", "one"]},
        {"bbox": [1.0, 2.5, 3.0, 4.0]},
        {"properties": {**ITEM["properties"], "created": "2026-06-01T02:00:00.000+02:00"}},
        {"properties": in_another_form(ITEM["properties"])},
    ],
)
def test_form_of_item_does_not_change_digest(change: dict[str, Any]) -> None:
    assert metadata_digests(ITEM | change, ASSETS) == metadata_digests(ITEM, ASSETS)


def test_form_of_invalid_extensions_does_not_change_digest() -> None:
    digests = [metadata_digests({"stac_extensions": [uri]}, {}) for uri in (0, 0.0, "0")]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


@pytest.mark.parametrize(
    "change",
    [
        {"bbox": [1, 2.5, 3, 5]},
        {"geometry": None},
        {"properties": {**ITEM["properties"], "cloud": 11}},
        {"properties": {**ITEM["properties"], "created": "2026-06-01T00:00:00.5Z"}},
        {"properties": {**ITEM["properties"], "cloud": "10"}},
        {"stac_extensions": ["one"]},
        {"collection": "other"},
    ],
)
def test_content_of_item_changes_digest(change: dict[str, Any]) -> None:
    digest, assets = metadata_digests(ITEM | change, ASSETS)
    assert digest != metadata_digests(ITEM, ASSETS)[0]
    assert assets == metadata_digests(ITEM, ASSETS)[1]


@pytest.mark.parametrize(
    ("fields", "is_same"),
    [
        ({"href": "https://e.com/B04.tif?v=1&X-Amz-Signature=abc"}, True),
        ({"href": "https://user:pw@e.com/B04.tif?sig=x&v=1"}, True),
        ({"gsd": 10.0}, True),
        ({"title": "Red band"}, False),
        ({"href": "https://e.com/B04.tif?v=2"}, False),
        ({"alternate": {"s3": {"href": "s3://b/B04.tif"}}}, False),
    ],
)
def test_signature_does_not_change_digest_of_asset(fields: dict[str, Any], is_same: bool) -> None:
    changed = ASSETS | {"B04": ASSETS["B04"] | fields}
    before, after = metadata_digests(ITEM, ASSETS)[1], metadata_digests(ITEM, changed)[1]
    assert (before["B04"] == after["B04"]) is is_same
    assert before["B08"] == after["B08"]


def test_document_that_cannot_be_encoded_has_no_digest() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert metadata_digests({"a": deep}, ASSETS) == (None, {})
    assert metadata_digests({"a": ["a", "\0asset\n", 1]}, ASSETS)[0] is None


@given(st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES, max_size=3))
def test_any_document_has_the_digest_of_its_other_form(
    document: dict[str, Any], assets: dict[str, Any]
) -> None:
    other = json.loads(json.dumps(in_another_form(document)))
    expected = metadata_digests(document, assets)
    assert metadata_digests(other, in_another_form(assets)) == expected
