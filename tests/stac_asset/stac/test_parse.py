"""Conversion of JSON documents to pystac objects."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config
from stac_asset.errors import SourceError
from stac_asset.notices import collect_notices
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of
from stac_asset.stac.item_collections import ReadItems
from stac_asset.stac.parse import item_of, load_stac, stac_of
from tests.support.strategies import DOCUMENTS

ITEM: dict[str, Any] = DOCUMENTS["item"]
COLLECTION: dict[str, Any] = DOCUMENTS["collection"]
BASE = "https://host/items/item.json"


def self_link(href: object) -> dict[str, Any]:
    """Return the fields of a document with a self link."""
    return {"links": [{"rel": "self", "href": href}]}


def item_collection(*items: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items)}


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (ITEM, pystac.Item),
        (COLLECTION, pystac.Collection),
        (item_collection(ITEM), pystac.ItemCollection),
        (item_collection(), pystac.ItemCollection),
    ],
    ids=["item", "collection", "item collection", "empty item collection"],
)
def test_type_selects_class(document: dict[str, Any], kind: type) -> None:
    assert isinstance(stac_of(document, BASE, "document"), kind)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "the document is not a JSON object"),
        ([ITEM], "the document is not a JSON object"),
        ("Feature", "the document is not a JSON object"),
        ({"code": "NotFound"}, f"`type` is {None}, expected 'Feature', 'Collection' or"),
        ({"type": "Catalog"}, "it is a catalog or the start page of an API.*Give an item"),
        ({"type": ["Feature"]}, r"`type` is \['Feature'\]"),
        ({"type": "Feature", "geometry": None}, "`assets` is missing or not a JSON object"),
        ({**ITEM, "properties": {"datetime": 1}}, "`datetime` is 1, which is not a time"),
        ({**ITEM, "properties": None}, "`properties` is not a JSON object"),
        ({key: ITEM[key] for key in ITEM if key != "id"}, "`id` is missing"),
        ({key: COLLECTION[key] for key in COLLECTION if key != "license"}, "`license` is missing"),
        ({**COLLECTION, "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}}}, "`temporal` is missing"),
        ({**COLLECTION, "extent": None}, "a valid STAC Collection: .*extent"),
        ({"type": "FeatureCollection", "features": None}, "`features` is not a list"),
        (item_collection(None, 5), "item 1 is not valid STAC: not a JSON object"),
        (item_collection({**ITEM, "properties": 5}), r"item 1 \('the-item'\) is not valid STAC"),
        ({**ITEM, "id": None}, "`id` is not a text"),
        ({**ITEM, "id": ["x"]}, "`id` is not a text"),
    ],
)
def test_invalid_document_raises_source_error(document: Any, reason: str) -> None:
    with pytest.raises(SourceError, match=f"^'the document' is not .*{reason}"):
        stac_of(document, BASE, "the document")


@pytest.mark.parametrize("document", [ITEM, COLLECTION], ids=["item", "collection"])
@pytest.mark.parametrize(
    ("asset", "href"),
    [
        (None, ""),
        ({}, ""),
        ({"href": None}, ""),
        (5, [5]),
        ("a.tif", ["a.tif"]),
        ([], [[]]),
        ({"href": 5}, [5]),
    ],
    ids=str,
)
def test_asset_without_href_has_empty_href_and_malformed_href_is_kept(
    document: dict[str, Any], asset: Any, href: Any
) -> None:
    document = {**document, "assets": {"bad": asset, "ok": {"href": "./a.tif"}}}
    owner = stac_of(document, BASE, "document")
    assert not isinstance(owner, pystac.ItemCollection)
    assert {key: asset.href for key, asset in owner.assets.items()} == {
        "bad": href,
        "ok": "./a.tif",
    }


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"x": value}
    return value


INVALID_ITEMS: list[Any] = [
    [ITEM],
    None,
    "the-item",
    {key: ITEM[key] for key in ITEM if key != "id"},
    {**ITEM, "id": None},
    {**ITEM, "id": {"id": "x"}},
    {**ITEM, "assets": None},
    {**ITEM, "assets": [1]},
    {**ITEM, "properties": None},
    {**ITEM, "properties": {"datetime": None}},
    {**ITEM, "properties": {"datetime": "2026-13-45"}},
    {key: ITEM[key] for key in ITEM if key != "properties"},
    {**ITEM, "properties": {**ITEM["properties"], "nested": nested(300)}},
]


@pytest.mark.parametrize("invalid", INVALID_ITEMS, ids=range(len(INVALID_ITEMS)))
def test_invalid_item_of_item_collection_does_not_affect_other_items(invalid: Any) -> None:
    items = stac_of(item_collection({**ITEM, "id": "a"}, invalid, ITEM), BASE, "document")
    assert isinstance(items, ReadItems)
    assert [item.id for item in items] == ["a", "the-item"]
    (found,) = items.invalid
    assert found.number == 2
    assert found.name.startswith("item 2")
    assert str(found.error).startswith(f"{found.name} is not valid STAC: ")
    assert found.placeholder().assets == {}


def test_identical_items_are_read_once_with_a_notice() -> None:
    other = {**ITEM, "collection": "other"}
    with collect_notices() as notices:
        items = stac_of(item_collection(ITEM, other, ITEM, other), BASE, "document")
    assert isinstance(items, pystac.ItemCollection)
    assert [item.collection_id for item in items] == [None, "other"]
    assert notices.lines() == [
        "Identical items are used only once (2 times): item 3 ('the-item'); item 4 ('the-item')"
    ]


def test_malformed_asset_keeps_other_fields() -> None:
    item = stac_of({**ITEM, "assets": {"bad": {"title": "A", "href": 5}}}, BASE, "document")
    assert isinstance(item, pystac.Item)
    assert item.assets["bad"].title == "A"


@pytest.mark.parametrize("document", [ITEM, COLLECTION], ids=["item", "collection"])
@pytest.mark.parametrize(
    "fields",
    [
        {"links": None},
        {"stac_version": None},
        {"stac_version": 1.0},
        {"stac_version": 1},
        {"stac_version": ""},
        {"collection": []},
        {"collection": {"id": "c"}},
    ],
    ids=str,
)
def test_missing_version_links_and_collection_do_not_prevent_reading(
    document: dict[str, Any], fields: dict[str, Any]
) -> None:
    found = stac_of({**document, **fields}, BASE, "document")
    assert isinstance(found, pystac.Item | pystac.Collection)
    assert found.id == document["id"]
    assert found.to_dict(transform_hrefs=False)["stac_version"].startswith("1.")
    (items,) = [stac_of(item_collection({**ITEM, **fields}, ITEM), BASE, "document")]
    assert isinstance(items, ReadItems)
    assert items.invalid == ()


def test_malformed_links_are_removed() -> None:
    links = [None, "x", {}, {"rel": "a"}, {"rel": "", "href": "x"}, {"rel": "a", "href": "./x"}]
    item = stac_of({**ITEM, "links": links}, BASE, "document")
    assert isinstance(item, pystac.Item)
    assert [(link.rel, link.target) for link in item.links] == [("a", "./x"), ("self", BASE)]


@pytest.mark.parametrize(
    ("base", "declared", "expected"),
    [
        (BASE, "https://other/item.json", BASE),
        (BASE, "/etc/item.json", BASE),
        ("/data/item.json", "https://other/item.json", "/data/item.json"),
        (None, "https://other/item.json", "https://other/item.json"),
        (None, "/etc/item.json", None),
        (None, "file:///etc/item.json", None),
        ("/data/a\\b.json", None, "/data/a\\b.json"),
        (None, "./item.json", None),
        (None, 5, None),
    ],
)
def test_self_href_of_object_is_source(
    base: str | None, declared: object, expected: str | None
) -> None:
    for document in (ITEM, COLLECTION):
        found = stac_of({**document, **self_link(declared)}, base, "document")
        assert not isinstance(found, pystac.ItemCollection)
        assert found.get_self_href() == expected


@pytest.mark.parametrize(
    ("base", "declared", "expected"),
    [
        (BASE, "https://other/item.json", "https://other/item.json"),
        (BASE, "./other.json", "https://host/items/other.json"),
        (BASE, "/etc/item.json", "https://host/etc/item.json"),
        (BASE, "file:///etc/item.json", BASE),
        (BASE, None, BASE),
        ("/data/items.json", "./a/item.json", "/data/a/item.json"),
        ("/data/items.json", "https://other/item.json", "https://other/item.json"),
        (None, "https://other/item.json", "https://other/item.json"),
        (None, "/etc/item.json", None),
    ],
)
def test_items_of_collection_have_declared_self_href(
    base: str | None, declared: object, expected: str | None
) -> None:
    feature = {**ITEM, **self_link(declared)}
    assert item_of(feature, base).get_self_href() == expected
    items = stac_of(item_collection(feature), base, "document")
    assert isinstance(items, pystac.ItemCollection)
    assert [item.get_self_href() for item in items] == [expected]


def test_asset_hrefs_remain_as_declared() -> None:
    document = {**ITEM, "assets": {"a": {"href": "../a.tif"}}}
    item = stac_of(document, "/data/items/item.json", "document")
    assert isinstance(item, pystac.Item)
    assert item.assets["a"].href == "../a.tif"


def test_other_fields_of_item_collection_are_kept() -> None:
    items = stac_of({**item_collection(ITEM), "numberMatched": 1}, BASE, "document")
    assert isinstance(items, pystac.ItemCollection)
    assert items.extra_fields == {"numberMatched": 1}


def test_old_document_is_migrated_without_change_to_source() -> None:
    document = {
        **copy.deepcopy(ITEM),
        "stac_version": "0.8.0",
        "stac_extensions": ["eo"],
        "properties": {"datetime": "2026-06-01T00:00:00Z", "eo:platform": "landsat-8"},
    }
    before = copy.deepcopy(document)
    item = stac_of(document, BASE, "document")
    assert isinstance(item, pystac.Item)
    assert document == before
    assert item.properties["platform"] == "landsat-8"
    assert all(extension.startswith("https://") for extension in item.stac_extensions)
    assert len(item.stac_extensions) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "Item"}, "`type` is 'Item', expected 'Feature'"),
        ({"properties": {"datetime": "soon"}}, "`datetime` is 'soon', which is not a time"),
        ({"properties": {"datetime": 5}}, "`datetime` is 5, which is not a time"),
        ({"properties": {"datetime": "0000-01-01T00:00:00Z"}}, "`datetime` is '0000"),
        ({"extra": nested(201)}, "the values are nested more than 200 levels deep"),
    ],
)
def test_error_of_item_gives_the_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=f"is not valid STAC: {reason}"):
        item_of({**ITEM, **fields}, None)


def test_deeply_nested_item_can_be_rewritten() -> None:
    item = item_of({**ITEM, "extra": nested(199), "stac_extensions": [None, 5, "x"]}, None)
    document = document_of(rewrite(item, [], Config()))
    assert document["extra"] == nested(199)
    assert document["stac_extensions"] == ["x"]


@pytest.mark.parametrize("number", [None, 3])
def test_error_of_item_names_position_and_id(number: int | None) -> None:
    name = "item" if number is None else "item 3"
    with pytest.raises(SourceError, match=rf"^{name} \('x'\) is not valid STAC: `properties`"):
        item_of({"id": "x"}, None, number)
    with pytest.raises(SourceError, match=rf"^{name} is not valid STAC: `id` is missing"):
        item_of({}, None, number)


def test_file_is_loaded_with_absolute_self_href(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "item #1.json").write_text(json.dumps(ITEM))
    monkeypatch.chdir(tmp_path)
    item = load_stac(Path("item #1.json"))
    assert isinstance(item, pystac.Item)
    assert item.get_self_href() == str(tmp_path / "item #1.json")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_file_with_invalid_json_raises_source_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "item.json"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"item\.json' is not valid JSON: "):
        load_stac(path)
