"""Sources of every kind, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.mirror.nights import (
    CONFIG,
    check_catalog,
    collection_of,
    documents,
    item_of,
    put_items,
    run,
)


def put_catalog(origin: Origin, items: list[dict[str, Any]]) -> str:
    """Puts a static catalog with relative links on the origin, a collection in a folder."""
    catalog = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    catalog["links"] = [  # type: ignore[assignment]
        {"rel": "child", "href": "./things/collection.json"},
        {"rel": "root", "href": "./catalog.json"},
    ]
    collection = collection_of("things")
    collection["links"] += [
        {"rel": "item", "href": f"./{item['id']}/item.json"} for item in items
    ] + [{"rel": "child", "href": "../catalog.json"}]
    origin.put("/c/things/collection.json", json.dumps(collection).encode())
    for item in items:
        origin.put(f"/c/things/{item['id']}/item.json", json.dumps(item).encode())
    return origin.put("/c/catalog.json", json.dumps(catalog).encode())


async def test_static_catalog(origin: Origin, tmp_path: Path) -> None:
    items = [item_of(origin, f"item-{number}", day=number + 1) for number in range(4)]
    origin.put("/c/things/item-0/image.tif", size=80)
    items[0]["assets"] = {"data": {"href": "./image.tif"}}
    href = put_catalog(origin, items)
    window = Criteria(collections=("things",), datetime="../2026-06-03")
    first = await run(tmp_path, href, window)
    assert (set(first.taken), first.failed) == ({"item-0", "item-1", "item-2"}, [])
    assert (tmp_path / "things/item-0/image.tif").stat().st_size == 80
    collection = json.loads((tmp_path / "things/collection.json").read_bytes())
    assert collection["title"] == "The things"
    assert collection["assets"]["thumbnail"]["href"] == origin.href("/c/things/thumbnail.png")
    assert collection["extent"] == {
        "spatial": {"bbox": [[10.0, 50.0, 10.0, 50.0]]},
        "temporal": {"interval": [["2026-06-01T12:00:00Z", "2026-06-03T12:00:00Z"]]},
    }
    rels = {link["rel"]: link["href"] for link in collection["links"]}
    assert rels["derived_from"] == origin.href("/c/things/collection.json")
    assert rels["license"] == "https://example.com/license"
    assert "items" not in rels
    assert (await run(tmp_path, href, window)).taken == {}
    check_catalog(tmp_path, {"item-0", "item-1", "item-2"})


async def test_document_of_another_etag_is_another_version(origin: Origin, tmp_path: Path) -> None:
    item = item_of(origin, "item")
    href = put_catalog(origin, [item])
    await run(tmp_path, href)
    assert (await run(tmp_path, href)).taken == {}
    put_catalog(origin, [item | {"title": "only the document is another"}])
    assert (await run(tmp_path, href)).taken == {"item": "CHANGED"}
    assert len(origin.gets("/item/data.tif")) == 2
    assert (await run(tmp_path, href)).taken == {}


@pytest.mark.parametrize("suffix", [".json", ".ndjson", ".parquet"])
@pytest.mark.parametrize("where", ["remote", "local"])
async def test_item_files(origin: Origin, tmp_path: Path, suffix: str, where: str) -> None:
    items = [item_of(origin, f"item-{number}", day=number + 1) for number in range(3)]
    if suffix == ".json":
        data = json.dumps({"type": "FeatureCollection", "features": items}).encode()
    elif suffix == ".ndjson":
        data = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    else:
        from stac_geoparquet import arrow

        table = arrow.parse_stac_items_to_arrow(items).read_all()
        arrow.to_parquet(table, tmp_path / "made.parquet")
        data = (tmp_path / "made.parquet").read_bytes()
    path = tmp_path / f"items{suffix}"
    path.write_bytes(data)
    href = str(path) if where == "local" else origin.put(f"/items{suffix}", data)
    search = Criteria(collections=("things",), ids=("item-0", "item-2"))
    assert set((await run(tmp_path / "m", href, search)).taken) == {"item-0", "item-2"}
    assert (await run(tmp_path / "m", href, search)).taken == {}
    check_catalog(tmp_path / "m", {"item-0", "item-2"})
    links = documents(tmp_path / "m")["item-0"]["links"]
    assert links[-1]["rel"] == "derived_from"
    assert links[-1]["mirror:source"] == href


async def test_catalog_that_was_mirrored_can_be_mirrored(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, [item_of(origin, name) for name in ("one", "two")])
    await run(tmp_path / "first", href)
    ran = await run(tmp_path / "second", str(tmp_path / "first/catalog.json"))
    assert (set(ran.taken), ran.failed) == ({"one", "two"}, [])
    check_catalog(tmp_path / "second", {"one", "two"})
    assert (await run(tmp_path / "second", str(tmp_path / "first/catalog.json"))).taken == {}


SOURCES: dict[str, tuple[bytes | None, str]] = {
    "nothing": (None, r"`source` '.*/source\?…' cannot be read: 404"),
    "a web page": (b"<html></html>", "`source` '.*' is not a STAC API .* the content is not JSON"),
    "some JSON": (b'{"hello": "world"}', "`source` '.*' is not a STAC API, .* its type is None"),
    "a list": (b"[]", "`source` '.*' is not a STAC API, .* its type is None"),
    "an item": (b'{"type": "Feature"}', "its type is 'Feature'"),
    "an API without a search": (
        b'{"type": "Catalog", "conformsTo": [], "links": [{"rel": "data", "href": "./c"}]}',
        "`source` '.*' is a STAC API without search",
    ),
    "a collection of an API": (
        b'{"type": "Collection", "id": "a", "links": [{"rel": "items", "href": "./items"}]}',
        "Give the root of the API, and the collection's id in `search.collections`",
    ),
}


@pytest.mark.parametrize("case", SOURCES.values(), ids=SOURCES.keys())
async def test_what_is_no_source(
    origin: Origin, tmp_path: Path, case: tuple[bytes | None, str]
) -> None:
    data, names = case
    if data is None:
        origin.remove("/source")
    else:
        origin.put("/source", data)
    with pytest.raises(SourceError, match=names) as caught:
        await run(tmp_path / "m", origin.href("/source") + "?token=SECRET")
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "m").exists()


async def test_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("nothing.json", "nothing.ndjson"):
        with pytest.raises(SourceError, match=r"`source` '.*' cannot be read"):
            await run(tmp_path / "m", str(tmp_path / name))


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        (Criteria(collections=("nothings",)), "`search.collections` names 'nothings'"),
        (Criteria(filter="a = 1"), "`search.filter` requires a STAC API"),
        (Criteria(query={"a": {"eq": 1}}), "`search.query` requires a STAC API"),
        (Criteria(intersects={"type": "Point"}), "`search.intersects` requires a STAC API"),
        (Criteria(sortby=("id",)), "`search.sortby` requires a STAC API"),
    ],
)
@pytest.mark.parametrize("kind", ["catalog", "file"])
async def test_what_only_an_api_can_tell(
    origin: Origin, tmp_path: Path, kind: str, criteria: Criteria, names: str
) -> None:
    items = [item_of(origin, "one")]
    href = put_catalog(origin, items) if kind == "catalog" else put_items(origin, items)
    with pytest.raises(ConfigError, match=names):
        await run(tmp_path / "m", href, criteria, config=CONFIG)
    assert not (tmp_path / "m").exists()
