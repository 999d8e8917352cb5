"""Encodings, pages and redirects of the documents of APIs and of item files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.errors import SourceError
from stac_asset.notices import collect_notices
from stac_asset.testing import Gzip, Origin, Redirect, Status
from tests.support.mirror_runs import (
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def put_pages(origin: Origin, *pages: list[dict[str, Any]]) -> str:
    """Put an item collection of several pages on the origin, like the items of an API."""
    for number, features in enumerate(pages):
        document: dict[str, Any] = {"type": "FeatureCollection", "features": features}
        if number + 1 < len(pages):
            document["links"] = [{"rel": "next", "href": f"./items-{number + 1}"}]
        origin.put(f"/items-{number}", json.dumps(document).encode())
    return origin.href("/items-0")


@pytest.mark.parametrize("kind", ["API", "items", "ndjson"])
async def test_nan_is_mirrored_as_null(origin: Origin, tmp_path: Path, kind: str) -> None:
    item = build_item(origin, "a")
    item["assets"]["data"]["nodata"] = float("nan")
    item["properties"]["offset"] = float("-inf")
    if kind == "ndjson":
        href = origin.put("/items.ndjson", json.dumps(item).encode())
    else:
        href = serve_api(origin, [item]) if kind == "API" else serve_items(origin, [item])
    with collect_notices() as notices:
        assert set((await run_mirror(tmp_path, href)).reasons) == {"a"}
    assert ["NaN" in line for line in notices.lines()] == [True]
    for path in tmp_path.rglob("*.json*"):
        for line in path.read_text().splitlines() if path.suffix != ".json" else [path.read_text()]:
            json.loads(line, parse_constant=refuse)
    document = read_item_documents(tmp_path)["a"]
    assert document["assets"]["data"]["nodata"] is None
    assert document["properties"]["offset"] is None
    assert (await run_mirror(tmp_path, href)).reasons == {}


@pytest.mark.parametrize("way", ["Content-Encoding", "content", "byte-order mark", "UTF-16"])
async def test_api_documents_are_read_in_any_encoding(
    origin: Origin, tmp_path: Path, way: str
) -> None:
    href = serve_api(origin, [build_item(origin, name) for name in "abc"], page=2)
    if way == "Content-Encoding":
        origin.fault("/api*", Gzip(force=True), times=0)
    else:
        for path in ("/api", "/api/search", "/api/page/2", "/api/collections/things"):
            data = origin.content(path)
            changed = {
                "content": gzip.compress(data),
                "byte-order mark": b"\xef\xbb\xbf" + data,
                "UTF-16": data.decode().encode("utf-16"),
            }[way]
            origin.put(path, changed, content_type="application/json")
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, {"a", "b", "c"})


async def test_root_of_api_is_resolved_after_redirect(origin: Origin, tmp_path: Path) -> None:
    serve_api(origin, [build_item(origin, "a")])
    landing = json.loads(origin.content("/api"))
    landing["links"] = [
        {"rel": "search", "href": "./search"},
        {"rel": "data", "href": "collections"},
    ]
    del landing["type"]
    origin.put("/api/", json.dumps(landing).encode())
    origin.fault("/stac", Redirect("/api/"), times=0)
    await run_mirror(tmp_path, origin.href("/stac"))
    check_catalog(tmp_path, {"a"})
    assert json.loads((tmp_path / "things/collection.json").read_bytes())["title"] == "The things"


async def test_root_of_old_api_is_recognized(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, "a")])
    landing = json.loads(origin.content("/api"))
    for name in ("type", "conformsTo"):
        del landing[name]
    origin.put("/api", json.dumps(landing | {"stac_version": "0.9.0"}).encode())
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, {"a"})


async def test_items_on_later_pages_are_not_removed(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, name) for name in "abcd"]
    href = put_pages(origin, items)
    await run_mirror(tmp_path, href)
    put_pages(origin, items[3:], items[1:2], items[:1])
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.reasons, result.removed_ids) == ({}, {"c"})
    check_catalog(tmp_path, {"a", "b", "d"})


@pytest.mark.parametrize("way", ["error", "page", "cycle", "POST", "endless", "empty", "declared"])
async def test_listing_that_does_not_end_removes_no_items(
    origin: Origin, tmp_path: Path, way: str
) -> None:
    items = [build_item(origin, name) for name in "abcd"]
    href = put_pages(origin, items)
    await run_mirror(tmp_path, href)
    put_pages(origin, items[:1], items[1:2], items[2:3])
    document = json.loads(origin.content("/items-1"))
    match way:
        case "error":
            origin.fault("/items-1", Status(503), times=0)
        case "page":
            origin.put("/items-1", b"<html>Log in</html>")
        case "cycle":
            document["links"][0]["href"] = "./items-0"
        case "POST":
            document["links"][0] |= {"method": "POST", "body": {"token": 2}}
        case "endless":
            document["features"] = json.loads(origin.content("/items-0"))["features"]
        case "empty":
            put_pages(origin, items[:1], *[[]] * 10, items[1:])
        case "declared":
            origin.put(
                "/items-1", json.dumps({"features": items[1:2], "numberMatched": 9}).encode()
            )
    if way in ("cycle", "POST", "endless"):
        origin.put("/items-1", json.dumps(document).encode())
    with collect_notices() as notices:
        result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.removed_ids, result.mirror.is_complete) == (set(), False)
    assert len(result.mirror.errors) == (way not in ("declared", "empty"))
    assert len(notices.lines()) == 1 + (way in ("declared", "empty", "endless"))
    check_catalog(tmp_path, set("abcd"))


async def test_unreadable_line_fails_only_itself(origin: Origin, tmp_path: Path) -> None:
    lines = [json.dumps(build_item(origin, name)) for name in "abc"]
    href = origin.put("/items.ndjson", "\n".join(lines).encode())
    await run_mirror(tmp_path, href)
    origin.put("/items.ndjson", "\n".join([lines[0], lines[1][:50], lines[2]]).encode())
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert result.removed_ids == set()
    assert "line 2 is not valid JSON" in str(result.mirror.errors[0])
    check_catalog(tmp_path, set("abc"))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"collections": [], "links": []}, "its type is"),
        (
            {"type": "Collection", "id": "c", "links": [{"rel": "items", "href": "i"}]},
            "is one coll",
        ),
    ],
)
async def test_other_documents_of_an_api_are_rejected(
    origin: Origin, tmp_path: Path, document: dict[str, Any], reason: str
) -> None:
    href = origin.put("/api/collections", json.dumps(document).encode())
    with pytest.raises(SourceError, match=reason):
        await run_mirror(tmp_path, href)
