"""Static catalogs with documents that cannot be read, or that real servers write differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.clients import Clients
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.sources.static_catalog import StaticCatalog
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Redirect, Status
from tests.support.mirror_runs import (
    CONFIG,
    build_collection,
    build_item,
    check_catalog,
    run_mirror,
)

NAMES = {"i0", "i1", "i2"}


def put(origin: Origin, path: str, document: Any) -> str:
    return origin.put(path, json.dumps(document).encode(), content_type="application/json")


def catalog(name: str, **links: Any) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": name,
        "description": "d",
        "links": [{"rel": rel, "href": href} for rel in links for href in links[rel]],
    }


def put_catalog(origin: Origin) -> str:
    """Put a catalog on the origin, with three catalogs below that have an item each."""
    for number in range(3):
        put(origin, f"/c{number}/catalog.json", catalog(f"c{number}", item=["./i.json"]))
        put(origin, f"/c{number}/i.json", build_item(origin, f"i{number}", collection=None))
    children = [f"./c{number}/catalog.json" for number in range(3)]
    return put(origin, "/catalog.json", catalog("root", child=children))


UNREADABLE: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "truncated": b'{"type": "Catalog", "links": [',
    "web page": b"<html>Not found</html>",
    "error as JSON": b'{"code": 404, "description": "hunter2"}',
    "list": b"[]",
    "not Unicode": b"\xff\xfe\xfa",
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("path", ["/c1/catalog.json", "/c1/i.json"])
async def test_unreadable_document_fails_only_itself(
    origin: Origin, tmp_path: Path, path: str, content: bytes | None
) -> None:
    href = put_catalog(origin)
    await run_mirror(tmp_path / "m", href)
    if content is None:
        origin.remove(path)
    else:
        origin.put(path, content)
    put(origin, "/c2/i.json", build_item(origin, "i2", "data", "more", collection=None))
    result = await run_mirror(tmp_path / "m", href, on_removed="delete")
    assert (result.reasons, result.removed_ids) == ({"i2": "CHANGED"}, set())
    check_catalog(tmp_path / "m", NAMES)
    (error,) = result.mirror.errors
    rel, parent = ("item", "/c1/catalog.json") if "i.json" in path else ("child", "/catalog.json")
    start = f"Link '{rel}' of '{origin.href(parent)}' cannot be followed: '{origin.href(path)}' "
    assert str(error).startswith(start)
    assert "hunter2" not in str(error)
    # After the document is repaired, the removal of another item is detected.
    put_catalog(origin)
    put(origin, "/c2/catalog.json", catalog("c2"))
    assert (await run_mirror(tmp_path / "m", href, on_removed="delete")).removed_ids == {"i2"}


@pytest.mark.parametrize("href", [None, 3, "", " ", "https://[", {}])
async def test_link_without_usable_href_is_reported(
    origin: Origin, tmp_path: Path, href: object
) -> None:
    put_catalog(origin)
    root = catalog("root", child=["./c0/catalog.json"])
    root["links"] += [{"rel": "child", "href": href}, None, {"rel": "child"}, {"rel": "about"}]
    source = put(origin, "/catalog.json", root)
    result = await run_mirror(tmp_path, source)
    assert set(result.reasons) == {"i0"}
    assert len(result.mirror.errors) == 2
    assert not result.mirror.is_complete


async def test_cycles_of_catalogs_end(origin: Origin, tmp_path: Path) -> None:
    href = put_catalog(origin)
    child = catalog(
        "c0", item=["./i.json"], child=["../catalog.json", "./catalog.json#x", "../c1/catalog.json"]
    )
    put(origin, "/c0/catalog.json", child)
    origin.fault("/c2/catalog.json", Redirect("/catalog.json"), times=0)
    result = await run_mirror(tmp_path, href)
    assert set(result.reasons) == {"i0", "i1"}
    assert result.mirror.errors == []
    assert len(origin.gets("/c1/catalog.json")) == 1


async def test_catalog_without_end_is_reported(origin: Origin, tmp_path: Path) -> None:
    for number in range(110):
        below = "/".join(["a"] * (number + 1))
        put(origin, f"/{below}/catalog.json", catalog("same", child=["./a/catalog.json"]))
    result = await run_mirror(tmp_path, origin.href("/a/catalog.json"))
    assert [str(error).rpartition(": ")[2] for error in result.mirror.errors] == [
        "the catalog has more than 100 levels"
    ]


async def test_endless_document_fails_only_itself(origin: Origin, tmp_path: Path) -> None:
    href = put_catalog(origin)
    origin.put("/c1/catalog.json", size=65 * 1024 * 1024)
    result = await run_mirror(tmp_path, href)
    assert set(result.reasons) == {"i0", "i2"}
    assert "is larger than 67,108,864 bytes" in str(result.mirror.errors[0])


async def test_catalog_is_continued_by_next(origin: Origin, tmp_path: Path) -> None:
    put_catalog(origin)
    root = catalog("root", child=["./c0/catalog.json"], next=["./page2.json"])
    put(origin, "/page2.json", catalog("root", item=["./c1/i.json"], next=["/page3.json"]))
    put(origin, "/page3.json", catalog("root", child=["c2/catalog.json"]))
    href = put(origin, "/catalog.json", root)
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, NAMES)
    origin.fault("/page3.json", Status(500), times=0)
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.removed_ids, len(result.mirror.errors)) == (set(), 1)
    check_catalog(tmp_path, NAMES)


async def test_documents_without_type_are_mirrored(origin: Origin, tmp_path: Path) -> None:
    # STAC 0.9 and older. The child is also behind a redirect.
    item = build_item(origin, "a") | {"stac_version": "0.9.0", "assets": {"a": {"href": "./a.tif"}}}
    del item["type"]
    put(origin, "/v2/things/a.json", item)
    collection = build_collection("things") | {"stac_version": "0.9.0"}
    del collection["type"]
    collection["links"] = [{"rel": "item", "href": "./a.json"}]
    put(origin, "/v2/things/collection.json", collection)
    origin.fault("/things/*", Redirect("/v2/things/collection.json", 301), times=0)
    root = catalog("root", child=["things/"]) | {"stac_version": "0.9.0"}
    del root["type"]
    href = put(origin, "/catalog.json", root)
    result = await run_mirror(tmp_path, href)
    assert (set(result.reasons), result.failed_ids) == ({"a"}, [])
    assert len(origin.gets("/v2/things/a.tif")) == 1
    written = json.loads((tmp_path / "things/collection.json").read_bytes())
    assert (written["type"], written["title"]) == ("Collection", "The things")
    check_catalog(tmp_path, {"a"})


async def test_hrefs_with_white_space_are_followed(origin: Origin, tmp_path: Path) -> None:
    put_catalog(origin)
    root = catalog(
        "root", child=[" ./c0/catalog.json\n", "\tc1/catalog.json "], item=["c2/i.json\n"]
    )
    href = put(origin, "/catalog.json", root)
    await run_mirror(tmp_path, f" {href}\n")
    check_catalog(tmp_path, NAMES)


async def test_local_catalog_is_read_alike(tmp_path: Path) -> None:
    root = catalog("root", child=["missing.json", "c.json"])
    (tmp_path / "catalog.json").write_text("\ufeff" + json.dumps(root))
    (tmp_path / "c.json").write_text(json.dumps(catalog("c")))
    async with Clients(CONFIG) as clients:
        source = await open_source(str(tmp_path / "catalog.json"), clients, CONFIG, tmp_path)
        assert isinstance(source, StaticCatalog)
        assert await source.collection("none") is None


async def test_collection_with_a_list_of_items_only_is_reported(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_catalog(origin)
    document = catalog("c1")
    document["links"].append({"rel": "items", "href": "./items"})
    put(origin, "/c1/catalog.json", document)
    result = await run_mirror(tmp_path, href)
    assert set(result.reasons) == {"i0", "i2"}
    (error,) = result.mirror.errors
    assert "Link 'items' of" in str(error)
    assert "leads to a list of items" in str(error)


@pytest.mark.parametrize(
    "links",
    [
        None,
        {},
        [{"rel": "item", "href": "./j.json"}, "./i.json"],
        [{"rel": "item", "href": "./j.json"}, {"href": "./i.json"}],
        [{"rel": "item", "href": "./j.json"}, {"rel": ["item"], "href": "./i.json"}],
    ],
)
async def test_catalog_with_malformed_links_removes_nothing(
    origin: Origin, tmp_path: Path, links: object
) -> None:
    href = put_catalog(origin)
    put(origin, "/c1/j.json", build_item(origin, "j", collection=None))
    put(origin, "/c1/catalog.json", catalog("c1", Item=["./i.json"], ITEM=["./j.json"]))
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, NAMES | {"j"})
    put(origin, "/c1/catalog.json", catalog("c1") | {"links": links})
    with collect_notices() as notices:
        result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.removed_ids, result.failed_ids) == (set(), [])
    assert "no valid list of `links`" in notices.lines()[0]
    check_catalog(tmp_path, NAMES | {"j"})
    put(origin, "/c1/catalog.json", catalog("c1"))
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert result.removed_ids == {"i1", "j"}
