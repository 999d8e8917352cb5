"""Item collections of several pages, and documents behind redirects."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.errors import SourceError
from stac_asset.stac.item_pages import ItemPages, open_item_pages
from stac_asset.stac.read import read_stac
from stac_asset.testing import Gzip, Origin, Redirect, Status
from tests.support.mirror_runs import build_item

CONFIG = Config(retry_wait=0.01, retry_wait_max=0.02, http_max_attempts=2)


def put_pages(origin: Origin, pages: list[list[str]], **fields: Any) -> str:
    """Put an item collection with a page for each list of ids on the origin."""
    for number, names in enumerate(pages):
        features = [
            build_item(origin, name) | {"assets": {"a": {"href": "./a.tif"}}, "links": []}
            for name in names
        ]
        document = {"type": "FeatureCollection", "features": features, "links": [], **fields}
        if number + 1 < len(pages):
            document["links"] = [{"rel": "next", "href": f"../{number + 1}/items"}]
        origin.put(f"/{number}/items", json.dumps(document).encode())
    return origin.href("/0/items")


async def open_pages(href: str, scratch: Path) -> ItemPages:
    async with Clients(CONFIG) as clients:
        return await open_item_pages(href, clients, CONFIG, scratch)


async def test_all_pages_are_read(origin: Origin, tmp_path: Path) -> None:
    href = put_pages(origin, [["a", "b"], [], ["c"], ["d"]])
    pages = await open_pages(href, tmp_path)
    found = [(item["id"], base) for item, base in pages.documents()]
    assert found == [
        ("a", origin.href("/0/items")),
        ("b", origin.href("/0/items")),
        ("c", origin.href("/2/items")),
        ("d", origin.href("/3/items")),
    ]
    async with Clients(CONFIG) as clients:
        stac = await read_stac(href, clients, CONFIG)
    assert [(item.id, item.get_self_href()) for item in stac] == found  # type: ignore[union-attr]
    assert stac.extra_fields["links"] == []


async def test_local_pages_and_remote_pages_are_joined(origin: Origin, tmp_path: Path) -> None:
    put_pages(origin, [["x"], ["y"]])
    for number, following in enumerate(["two.json", origin.href("/0/items")]):
        document = {
            "features": [build_item(origin, f"local-{number}")],
            "links": [{"rel": "next", "href": following}],
        }
        (tmp_path / ("two.json" if number else "page-1.json")).write_text(json.dumps(document))
    (tmp_path / "scratch").mkdir()
    pages = await open_pages(str(tmp_path / "page-1.json"), tmp_path / "scratch")
    assert [item["id"] for item, _ in pages.documents()] == ["local-0", "local-1", "x", "y"]


async def test_failed_page_is_named_and_earlier_pages_are_kept(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_pages(origin, [["a"], ["b"], ["c"]])
    origin.fault("/2/items", Status(500), times=0)
    pages = await open_pages(href, tmp_path)
    assert [item["id"] for item, _ in pages.documents()] == ["a", "b"]
    assert str(pages.error).startswith(f"Item collection: page 3 of '{href}' cannot be read: 500")
    async with Clients(CONFIG) as clients:
        with pytest.raises(SourceError, match="/2/items' cannot be read: 500"):
            await read_stac(href, clients, CONFIG)


@pytest.mark.parametrize("content", [b"<html></html>", b"", b"[]", b'{"type": "Feature"}'])
async def test_page_that_is_no_item_collection_is_an_error(
    origin: Origin, tmp_path: Path, content: bytes
) -> None:
    href = put_pages(origin, [["a"], ["b"]])
    origin.put("/1/items", content, content_type="application/json")
    pages = await open_pages(href, tmp_path)
    assert pages.error is not None
    async with Clients(CONFIG) as clients:
        with pytest.raises(SourceError):
            await read_stac(href, clients, CONFIG)


async def test_item_with_a_link_to_the_next_item_has_no_pages(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "a") | {"links": [{"rel": "next", "href": "./b.json"}]}
    href = origin.put("/a.json", json.dumps(item).encode())
    pages = await open_pages(href, tmp_path)
    assert (len(pages.pages), pages.error) == (1, None)
    assert [request.path for request in origin.requests] == ["/a.json"]


@pytest.mark.parametrize("kind", ["item", "collection"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_relative_hrefs_resolve_against_final_address(
    origin: Origin, tmp_path: Path, kind: str, status: int
) -> None:
    final = put_pages(origin, [["a"], ["b"]])
    if kind == "item":
        item = build_item(origin, "a") | {"assets": {"a": {"href": "./a.tif"}}, "links": []}
        final = origin.put("/0/items", json.dumps(item).encode())
    href = origin.href("/stac/latest.json")
    origin.fault("/stac/latest.json", Redirect("/hop"), times=0)
    origin.fault("/hop", Redirect(f"{final}?v=1&token=secret", status), times=0)
    async with Clients(CONFIG) as clients:
        stac = await read_stac(href, clients, CONFIG)
    owners = list(stac) if kind == "collection" else [stac]
    assert [owner.assets["a"].get_absolute_href() for owner in owners] == [
        origin.href(f"/{number}/a.tif") for number in range(len(owners))
    ]
    assert owners[0].get_self_href() == f"{final}?v=1"
    if kind == "collection":
        pages = await open_pages(href, tmp_path)
        assert [base for _, base in pages.documents()] == [f"{final}?v=1", origin.href("/1/items")]


async def test_query_of_another_origin_is_no_base(origin: Origin) -> None:
    with Origin() as other:
        item = build_item(other, "a")
        final = other.put("/deep/item.json", json.dumps(item).encode())
        origin.fault("/item.json", Redirect(f"{final}?unknown=signature"), times=0)
        async with Clients(CONFIG) as clients:
            stac = await read_stac(origin.href("/item.json"), clients, CONFIG)
        assert stac.get_self_href() == final  # type: ignore[union-attr]


@pytest.mark.parametrize("way", ["Content-Encoding", "content"])
async def test_compressed_pages_are_read(origin: Origin, tmp_path: Path, way: str) -> None:
    href = put_pages(origin, [["a"], ["b"]])
    if way == "Content-Encoding":
        origin.fault("*/items", Gzip(force=True), times=0)
    else:
        for number in range(2):
            data = gzip.compress(origin.content(f"/{number}/items"))
            origin.put(f"/{number}/items", data, content_type="application/json")
    pages = await open_pages(href, tmp_path)
    assert [item["id"] for item, _ in pages.documents()] == ["a", "b"]
    async with Clients(CONFIG) as clients:
        stac = await read_stac(href, clients, CONFIG)
    assert [item.id for item in stac] == ["a", "b"]  # type: ignore[union-attr]
