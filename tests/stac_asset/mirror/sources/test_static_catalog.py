"""Static catalogs as the source of a mirror."""

from __future__ import annotations

import json
from pathlib import Path

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_items
from tests.support.static_catalogs import serve_static_catalog


async def test_static_catalog_is_mirrored(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, f"item-{number}", day=number + 1) for number in range(4)]
    origin.put("/c/things/item-0/image.tif", size=80)
    items[0]["assets"] = {"data": {"href": "./image.tif"}}
    href = serve_static_catalog(origin, items)
    window = Criteria(collections=("things",), datetime="../2026-06-03")
    first = await run_mirror(tmp_path, href, window)
    assert (set(first.reasons), first.failed_ids) == ({"item-0", "item-1", "item-2"}, [])
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
    assert (await run_mirror(tmp_path, href, window)).reasons == {}
    check_catalog(tmp_path, {"item-0", "item-1", "item-2"})


async def test_document_with_another_etag_is_updated_without_download(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "item")
    href = serve_static_catalog(origin, [item])
    await run_mirror(tmp_path, href)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    serve_static_catalog(origin, [item | {"title": "only the document is another"}])
    updated = await run_mirror(tmp_path, href)
    assert (updated.reasons, updated.metadata_ids) == ({}, {"item"})
    assert len(origin.gets("/item/data.tif")) == 1
    assert (await run_mirror(tmp_path, href)).metadata_ids == set()


async def test_catalog_of_another_mirror_is_mirrored(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, name) for name in ("one", "two")])
    await run_mirror(tmp_path / "first", href)
    result = await run_mirror(tmp_path / "second", str(tmp_path / "first/catalog.json"))
    assert (set(result.reasons), result.failed_ids) == ({"one", "two"}, [])
    check_catalog(tmp_path / "second", {"one", "two"})
    assert (
        await run_mirror(tmp_path / "second", str(tmp_path / "first/catalog.json"))
    ).reasons == {}
