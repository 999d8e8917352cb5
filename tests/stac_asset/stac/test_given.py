"""Objects that callers pass: hrefs, paths, JSON text, documents and lists."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pystac
import pytest

import stac_asset
from stac_asset.errors import DownloadError, SourceError
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.items import item_document

KINDS = ("item", "collection", "item_collection")
FORMS = ("object", "href", "path", "text of path", "document", "text")


def document_of(kind: str, origin: Origin) -> dict[str, Any]:
    if kind == "item":
        return item_document(origin, "a")
    if kind == "collection":
        return collection_document(origin, "a")
    return {"type": "FeatureCollection", "features": [item_document(origin, "a")]}


def given_as(form: str, document: dict[str, Any], origin: Origin, folder: Path) -> Any:
    """Return a document in one of the forms that callers may pass."""
    data = json.dumps(document)
    (path := folder / "given.json").write_text(data)
    return {
        "object": lambda: stac_object(document),
        "href": lambda: origin.put("/given.json", data.encode()),
        "path": lambda: path,
        "text of path": lambda: str(path),
        "document": lambda: document,
        "text": lambda: data,
    }[form]()


def stac_object(document: dict[str, Any]) -> Any:
    kinds = {"Feature": pystac.Item, "Collection": pystac.Collection}
    return kinds.get(document["type"], pystac.ItemCollection).from_dict(document)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
async def test_object_is_downloaded_and_planned_in_each_form(
    kind: str, form: str, origin: Origin, tmp_path: Path
) -> None:
    document = document_of(kind, origin)
    before = json.dumps(document)
    given = given_as(form, document, origin, tmp_path)
    plan = await getattr(stac_asset, f"plan_{kind}")(given, tmp_path / "data")
    assert [row.action for row in plan.rows] == ["download"]
    new = await getattr(stac_asset, f"download_{kind}")(given, tmp_path / "data")
    assert isinstance(new, type(stac_object(document)))
    [file] = (tmp_path / "data").rglob("a.*")
    assert file.read_bytes() == origin.content(f"/{file.name}")
    assert json.dumps(document) == before


def test_blocking_functions_accept_hrefs(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/item.json", json.dumps(item_document(origin, "a")).encode())
    assert stac_asset.blocking.download_item(href, tmp_path).assets.keys() == {"a"}


@pytest.mark.parametrize("form", ["list", "tuple", "generator", "documents"])
async def test_several_items_are_downloaded_as_item_collection(
    form: str, origin: Origin, tmp_path: Path
) -> None:
    documents = [item_document(origin, name, name=name) for name in ("a", "b")]
    items = [pystac.Item.from_dict(document) for document in documents]
    given: Any = {
        "list": items,
        "tuple": tuple(items),
        "generator": (item for item in items),
        "documents": documents,
    }[form]
    new = await stac_asset.download_item_collection(given, tmp_path)
    assert [item.id for item in new] == ["a", "b"]


@pytest.mark.parametrize("suffix", [".ndjson", ".parquet"])
@pytest.mark.parametrize("is_remote", [False, True])
async def test_files_of_items_are_read_as_item_collection(
    suffix: str, is_remote: bool, origin: Origin, tmp_path: Path
) -> None:
    point = {"geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2]}
    documents = [item_document(origin, name, name=name) | point for name in ("a", "b")]
    path = tmp_path / f"items{suffix}"
    if suffix == ".ndjson":
        path.write_text("\n".join(json.dumps(document) for document in documents))
    else:
        arrow = pytest.importorskip("stac_geoparquet.arrow")
        arrow.to_parquet(arrow.parse_stac_items_to_arrow(documents), path)
    given = origin.put(f"/items{suffix}", path.read_bytes()) if is_remote else path
    new = await stac_asset.download_item_collection(given, tmp_path / "data")
    assert sorted(item.id for item in new) == ["a", "b"]


async def test_line_that_is_not_json_fails_alone(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "items.ndjson"
    document = json.dumps(item_document(origin, "a", name="a"))
    path.write_text(f"{document}\n<html>\n")
    with pytest.raises(DownloadError, match="line 2 is not valid JSON") as raised:
        await stac_asset.download_item_collection(path, tmp_path / "data")
    assert len(raised.value.exceptions) == 1
    assert (tmp_path / "data/a/a.tif").is_file()


@pytest.mark.parametrize(
    ("function", "kind", "hint"),
    [
        ("download_item", "collection", "Use `download_collection`, or `download_item_coll"),
        ("download_item", "item_collection", "Use `download_item_collection`."),
        ("download_collection", "item", "Use `download_item`."),
        ("download_item_collection", "item", "Use `download_item`."),
        ("plan_item", "item_collection", "Use `plan_item_collection`."),
    ],
)
@pytest.mark.parametrize("form", FORMS)
async def test_wrong_kind_names_the_right_function(
    function: str, kind: str, hint: str, form: str, origin: Origin, tmp_path: Path
) -> None:
    given = given_as(form, document_of(kind, origin), origin, tmp_path)
    with pytest.raises(SourceError, match="must be of type") as error_info:
        await getattr(stac_asset, function)(given, tmp_path / "data")
    assert hint in str(error_info.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "`item` is of type None, but must be of type Item. Pass a pystac Item, an href, "),
        (5, "`item` is of type int, but must be of type Item."),
        ([], "`item` is of type list, but must be of type Item."),
        (b"{}", "`item` is of type bytes, but must be of type Item."),
        (
            pystac.Catalog("c", "d"),
            "`item` is of type Catalog, but must be of type Item. Cata",
        ),
        (pystac.Asset("a"), "`item` is of type Asset, but must be of type Item. Use `download_a"),
        ('{"type": ', "`item` is not valid JSON: "),
        ({"type": "Catalog"}, "'item' is not a STAC item, collection or item collection"),
        ("", "'' cannot be read: href is empty"),
        ("missing.json", "'missing.json' does not exist in the working directory "),
    ],
)
async def test_other_values_are_refused_in_one_sentence(
    given: Any, text: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as error_info:
        await stac_asset.download_item(given, tmp_path)
    assert str(error_info.value).startswith(text)


async def test_json_list_of_items_is_an_item_collection(origin: Origin, tmp_path: Path) -> None:
    text = json.dumps([item_document(origin, "a")])
    assert len((await stac_asset.plan_item_collection(text, tmp_path)).rows) == 1


async def test_functions_for_single_files_accept_paths_and_refuse_other_values(
    origin: Origin, tmp_path: Path
) -> None:
    (path := tmp_path / "a.txt").write_bytes(b"data")
    assert await stac_asset.read_href(path) == b"data"
    await stac_asset.download_file(path, tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_bytes() == b"data"
    wrong: Any = pystac.Asset(str(path))
    with pytest.raises(SourceError, match=r"^`href` is of type Asset, but must be an href\. Pass"):
        await stac_asset.read_href(wrong)
    for function in (stac_asset.asset_exists, stac_asset.assert_asset_exists):
        wrong = str(path)
        with pytest.raises(SourceError, match=r"^`asset` is of type str, but must be an Asset\. "):
            await function(wrong)
    item: Any = pystac.Item.from_dict(item_document(origin, "a"))
    number: Any = 5
    with pytest.raises(stac_asset.ConfigError, match="`file_name` must be a string, not int"):
        await stac_asset.plan_item(item, tmp_path, file_name=number)


async def test_element_of_another_type_is_named(origin: Origin, tmp_path: Path) -> None:
    items: Any = [pystac.Item.from_dict(item_document(origin, "a")), "https://example.com/b.json"]
    with pytest.raises(SourceError, match=r"^`item_collection\[1\]` is of type str, but must be"):
        await stac_asset.download_item_collection(items, tmp_path)


async def test_item_collection_does_not_replace_its_own_source(
    origin: Origin, tmp_path: Path
) -> None:
    path = given_as("path", document_of("item_collection", origin), origin, tmp_path)
    before = await asyncio.to_thread(path.read_bytes)
    with pytest.raises(stac_asset.StacAssetError, match="would replace this file"):
        await stac_asset.download_item_collection(path, tmp_path, path.name)
    assert path.read_bytes() == before


async def test_source_in_the_home_directory_is_found(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given_as("path", document_of("item", origin), origin, tmp_path)
    for given in ("~/given.json", Path("~/given.json")):
        assert (await stac_asset.plan_item(given, tmp_path / "data")).count("download") == 1


async def test_invalid_document_of_a_list_does_not_affect_other_documents(
    origin: Origin, tmp_path: Path
) -> None:
    documents = [item_document(origin, "a", name=name) for name in ("one", "two")]
    documents[0]["assets"] = None
    with pytest.raises(DownloadError, match=r"^1 of 2 assets failed\n- item 1 \('one'\) is not"):
        await stac_asset.download_item_collection(documents, tmp_path)
    assert (tmp_path / "two" / "a.tif").is_file()
