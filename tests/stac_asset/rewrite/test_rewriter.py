"""Rewritten items and collections: assets, links and checksums."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, ErrorStrategy
from stac_asset.errors import NotFoundError, SourceError
from stac_asset.rewrite.rewriter import describe, rewrite, rewrite_collection
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Skipped, Transfer
from tests.support.pystac_snapshots import snapshot
from tests.support.strategies import DOCUMENTS

BASE = "https://host/items/item.json"
DIRECTORY = Path("/data")
DOCUMENT = DIRECTORY / "items" / "item.json"


def make_item(base: str | None = BASE, **assets: dict[str, Any]) -> pystac.Item:
    """Return an item with relative asset hrefs."""
    documents = {key: {"href": f"./{key}.tif", **fields} for key, fields in assets.items()}
    item = pystac.Item.from_dict({**DOCUMENTS["item"], "assets": documents, "links": []})
    if base is not None:
        item.add_link(pystac.Link(pystac.RelType.SELF, base))
    return item


def transfer(key: str) -> Transfer:
    """Return the transfer of an asset to `DIRECTORY`."""
    candidate = Candidate(f"https://host/items/{key}.tif", str(DIRECTORY / f"{key}.tif"))
    return Transfer("item 'the-item'", key, (candidate,), str(DIRECTORY))


def downloaded(key: str, checksum: str | None = None) -> Downloaded:
    entry = transfer(key)
    return Downloaded(entry, entry.candidates[0], 3, 3, 0.1, checksum=checksum)


def skipped(key: str, checksum: str | None = None) -> Skipped:
    entry = transfer(key)
    return Skipped(entry, entry.candidates[0], 7, checksum=checksum)


def failed(key: str) -> Failed:
    return Failed("item 'the-item'", key, NotFoundError("404 Not Found"))


def hrefs(owner: pystac.Item | pystac.Collection) -> dict[str, str]:
    return {key: asset.href for key, asset in owner.assets.items()}


def links(owner: pystac.Item | pystac.Collection) -> list[tuple[str, str]]:
    return [(str(link.rel), str(link.target)) for link in owner.links]


def test_values_of_any_type_are_copied_deeply() -> None:
    item = make_item(a={"nested": {"list": [{"x": 1}], "tuple": ([1],)}})
    item.properties["nested"] = {"list": [[0]]}
    item.extra_fields["other"] = {"set": {1}}
    before = snapshot(item)
    new = rewrite(item, [downloaded("a")], Config(), DOCUMENT)
    new.assets["a"].extra_fields["nested"]["list"][0]["x"] = 2
    new.assets["a"].extra_fields["nested"]["tuple"][0].append(2)
    new.properties["nested"]["list"][0].append(1)
    new.extra_fields["other"]["set"].add(2)
    new.geometry = None
    assert snapshot(item) == before
    assert all(type(fields) is dict for fields in (new.properties, new.extra_fields))


def test_class_of_an_asset_is_kept() -> None:
    class OwnAsset(pystac.Asset):
        pass

    item = make_item(a={})
    item.assets["a"] = OwnAsset("./a.tif")
    new = rewrite(item, [downloaded("a")], Config(), DOCUMENT)
    assert type(new.assets["a"]) is OwnAsset
    assert new.assets["a"].owner is new


def test_asset_hrefs_can_be_absolute() -> None:
    config = Config(absolute_hrefs=True)
    new = rewrite(make_item(a={}), [downloaded("a")], config, DOCUMENT)
    assert hrefs(new) == hrefs(rewrite(make_item(a={}), [downloaded("a")], Config()))


def test_asset_hrefs_are_relative_to_document() -> None:
    item = make_item(a={}, b={})
    new = rewrite(item, [downloaded("a"), skipped("b")], Config(), DOCUMENT)
    assert hrefs(new) == {"a": "../a.tif", "b": "../b.tif"}


def test_asset_hrefs_are_absolute_paths_without_document() -> None:
    new = rewrite(make_item(a={}), [downloaded("a")], Config())
    assert hrefs(new) == {"a": "/data/a.tif"}
    assert links(new) == [("derived_from", BASE)]


@pytest.mark.parametrize(
    ("strategy", "keep", "expected"),
    [
        (ErrorStrategy.DELETE, False, ["ok"]),
        (ErrorStrategy.DELETE, True, ["ok", "other"]),
        (ErrorStrategy.KEEP, False, ["bad", "ok"]),
        (ErrorStrategy.KEEP, True, ["bad", "ok", "other"]),
    ],
)
def test_failed_and_unselected_assets_are_kept_as_configured(
    strategy: ErrorStrategy, keep: bool, expected: list[str]
) -> None:
    outcomes: list[Outcome] = [downloaded("ok"), failed("bad")]
    item = make_item(ok={}, bad={}, other={})
    new = rewrite(item, outcomes, Config(error_strategy=strategy), DOCUMENT, keep)
    assert sorted(new.assets) == expected
    sources = {key: f"https://host/items/{key}.tif" for key in ("bad", "other") if key in expected}
    assert hrefs(new) == {"ok": "../ok.tif", **sources}


def test_links_are_absolute_and_name_source() -> None:
    item = make_item(f"{BASE}?v=2&sig=abc", a={})
    item.add_link(pystac.Link("license", "../LICENSE", extra_fields={"nested": [1]}))
    item.add_link(pystac.Link("about", ""))
    new = rewrite(item, [downloaded("a")], Config(), DOCUMENT)
    assert links(new) == [
        ("license", "https://host/LICENSE"),
        ("derived_from", f"{BASE}?v=2"),
        ("self", str(DOCUMENT)),
    ]
    assert new.links[0].extra_fields == {"nested": [1]}


def test_relative_hrefs_remain_without_self_link() -> None:
    item = make_item(None, a={}, b={})
    new = rewrite(item, [downloaded("a")], Config(), None, keep_non_downloaded=True)
    assert hrefs(new) == {"a": "/data/a.tif", "b": "./b.tif"}
    assert links(new) == []


def test_alternates_become_absolute() -> None:
    alternates = {"near": {"href": "./near.tif"}, "s3": {"href": "s3://b/a.tif"}, "bad": None}
    item = make_item(a={"alternate": alternates})
    new = rewrite(item, [downloaded("a")], Config(), DOCUMENT)
    assert new.assets["a"].extra_fields["alternate"] == {
        "near": {"href": "https://host/items/near.tif"},
        "s3": {"href": "s3://b/a.tif"},
        "bad": None,
    }


def test_source_object_is_not_changed_and_not_shared() -> None:
    item = make_item(a={"alternate": {"near": {"href": "./near.tif"}}}, b={})
    item.properties["nested"] = {"list": [1]}
    before = snapshot(item)
    config = Config(write_checksums=True)
    new = rewrite(item, [downloaded("a", "1220"), failed("b")], config, DOCUMENT)
    new.properties["nested"]["list"].clear()
    new.assets["a"].extra_fields["alternate"].clear()
    assert snapshot(item) == before


def test_checksums_and_file_extension_are_written_if_enabled() -> None:
    item = make_item(a={"file:checksum": "old", "file:size": 1}, b={})
    outcomes = [downloaded("a", "1220aa"), failed("b")]
    new = rewrite(item, outcomes, Config(write_checksums=True), DOCUMENT)
    assert new.assets["a"].extra_fields == {"file:checksum": "1220aa", "file:size": 3}
    assert new.stac_extensions == ["https://stac-extensions.github.io/file/v2.1.0/schema.json"]
    new = rewrite(item, outcomes, Config(), DOCUMENT)
    assert new.assets["a"].extra_fields == {"file:checksum": "old", "file:size": 1}
    assert new.stac_extensions == []


def test_declared_version_of_file_extension_is_kept() -> None:
    item = make_item(a={}, b={})
    item.stac_extensions = ["https://stac-extensions.github.io/file/v1.0.0/schema.json"]
    outcomes = [downloaded("a", "1220aa"), downloaded("b", "1220bb")]
    new = rewrite(item, outcomes, Config(write_checksums=True), DOCUMENT)
    assert new.stac_extensions == item.stac_extensions


@pytest.mark.parametrize(
    ("outcome", "fields"),
    [
        (downloaded("a", "1220aa"), {"file:size": 3, "file:checksum": "1220aa"}),
        (downloaded("a"), {"file:size": 3}),
        (skipped("a", "1220aa"), {"file:size": 7, "file:checksum": "1220aa"}),
        (skipped("a"), {"file:size": 7, "file:checksum": "old"}),
    ],
)
def test_unverified_checksum_is_removed_only_from_new_files(
    outcome: Downloaded | Skipped, fields: dict[str, Any]
) -> None:
    asset = pystac.Asset("./a.tif", extra_fields={"file:checksum": "old"})
    describe(asset, outcome)
    assert asset.extra_fields == fields


def test_asset_without_href_has_empty_href() -> None:
    item = make_item(a={}, b={"title": "untitled"})
    item.assets["b"].href = None  # type: ignore[assignment]
    config = Config(error_strategy=ErrorStrategy.KEEP)
    new = rewrite(item, [downloaded("a"), failed("b")], config, DOCUMENT)
    assert (new.assets["b"].href, new.assets["b"].title) == ("", "untitled")


def test_long_summaries_of_collection_are_complete() -> None:
    collection = pystac.Collection.from_dict(
        {**DOCUMENTS["collection"], "summaries": {"band": list(range(100))}}
    )
    new = rewrite(collection, [downloaded("B04")], Config(), DOCUMENT)
    assert new.to_dict(transform_hrefs=False)["summaries"]["band"] == list(range(100))


@pytest.fixture
def _without_garbage_collection() -> Iterator[None]:
    """Collect no garbage of other tests at the limit of recursion, where finalizers fail."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_garbage_collection")
def test_deeply_nested_item_raises_source_error() -> None:
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]
    item = make_item(a={})
    item.extra_fields["nested"] = value
    with pytest.raises(SourceError, match="'the-item' cannot be copied"):
        rewrite(item, [downloaded("a")], Config())


def test_item_collection_keeps_copies_of_other_fields() -> None:
    items = pystac.ItemCollection([make_item(a={})], extra_fields={"context": {"matched": [1]}})
    rewritten = [rewrite(item, [downloaded("a")], Config()) for item in items]
    new = rewrite_collection(items, rewritten)
    assert new.items == rewritten
    assert new.extra_fields == {"context": {"matched": [1]}}
    new.extra_fields["context"]["matched"].clear()
    assert items.extra_fields == {"context": {"matched": [1]}}
