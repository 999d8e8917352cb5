"""JSON documents of STAC objects."""

from __future__ import annotations

import json
from typing import Any

import pystac
import pytest

from stac_asset.errors import SourceError
from stac_asset.rewrite.serialize import bounded_depth, document_of, json_bytes
from tests.support.remote_items import UNREACHABLE_HREF
from tests.support.strategies import DOCUMENTS


def nested(depth: int) -> list[Any]:
    """Return a list that is nested to a depth."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_document_contains_self_link_and_unchanged_hrefs() -> None:
    item = pystac.Item.from_dict(DOCUMENTS["item"])
    item.add_link(pystac.Link(pystac.RelType.SELF, "/data/item.json"))
    item.assets["B04"].href = "./B04.tif"
    # pystac would resolve the root to transform hrefs.
    item.add_link(pystac.Link(pystac.RelType.ROOT, UNREACHABLE_HREF))
    item.add_link(pystac.Link(pystac.RelType.PARENT, UNREACHABLE_HREF))
    document = document_of(item)
    assert [(link["rel"], link["href"]) for link in document["links"]] == [
        ("self", "/data/item.json"),
        ("root", UNREACHABLE_HREF),
        ("parent", UNREACHABLE_HREF),
    ]
    assert document["assets"]["B04"]["href"] == "./B04.tif"


def test_document_of_item_collection_contains_all_fields() -> None:
    item = pystac.Item.from_dict(DOCUMENTS["item"])
    document = document_of(pystac.ItemCollection([item], extra_fields={"numberMatched": 1}))
    assert (document["type"], document["numberMatched"]) == ("FeatureCollection", 1)
    assert [feature["id"] for feature in document["features"]] == ["the-item"]


def test_json_is_indented_utf8() -> None:
    assert json_bytes({"id": "é"}) == '{\n  "id": "é"\n}'.encode()
    assert json_bytes({"id": "é"}, indent=None) == '{"id": "é"}'.encode()


def test_lone_surrogate_is_escaped() -> None:
    data = json_bytes({"id": "a\ud800"}, indent=None)
    assert data == rb'{"id": "a\ud800"}'
    assert json.loads(data) == {"id": "a\ud800"}


def test_each_item_of_item_collection_is_single_line() -> None:
    features = [{"id": "a", "nested": [1, 2]}, {"id": "b\ud800"}]
    document = {"type": "FeatureCollection", "features": features, "numberMatched": 2}
    data = json_bytes(document)
    assert data.splitlines() == [
        b'{"type": "FeatureCollection", "features": [',
        b'{"id": "a", "nested": [1, 2]},',
        rb'{"id": "b\ud800"}',
        b'], "numberMatched": 2}',
    ]
    assert json.loads(data) == document


def test_item_collection_without_indentation_is_single_line() -> None:
    document = {"type": "FeatureCollection", "features": [{"id": "a"}, {"id": "b"}]}
    assert json_bytes(document, indent=None) == json.dumps(document).encode()


@pytest.mark.parametrize("indent", [2, None])
def test_item_collection_without_items_has_empty_list(indent: int | None) -> None:
    document: dict[str, Any] = {"type": "FeatureCollection", "features": []}
    assert json_bytes(document, indent) == json.dumps(document, indent=indent).encode()


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"id": "the-item", "nested": nested(100_000)}, "'the-item'"),
        ({"type": "FeatureCollection", "nested": nested(100_000)}, "'FeatureCollection'"),
    ],
    ids=["id", "type"],
)
def test_deeply_nested_document_raises_source_error(document: dict[str, Any], name: str) -> None:
    with pytest.raises(SourceError, match=f"^{name} cannot be copied: .* nested too deeply"):
        json_bytes(document)


def test_other_errors_are_not_converted() -> None:
    with pytest.raises(KeyError), bounded_depth("the item"):
        raise KeyError("id")
