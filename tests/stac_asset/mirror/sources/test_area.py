"""Search areas and the positions of items: unusual bounding boxes, and the antimeridian."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_api, serve_items
from tests.support.search_api import found_item, search_api, search_source

FIJI = Criteria(bbox=(178, -20, -178, -15))


async def test_items_with_unusual_position_are_found_in_search_area(
    origin: Origin, tmp_path: Path
) -> None:
    nested = build_item(origin, "nested") | {"bbox": [[10.0, 50.0, 10.0, 50.0]]}
    heights = build_item(origin, "heights") | {"bbox": [10.0, 50.0, 0.0, 10.0, 50.0, 9.0]}
    without_bbox = build_item(origin, "without_bbox")
    del without_bbox["bbox"]
    without_geometry = build_item(origin, "without_geometry") | {"geometry": None}
    elsewhere = build_item(origin, "elsewhere")
    elsewhere |= {"bbox": None, "geometry": {"type": "Point", "coordinates": [0.0, 0.0]}}
    nowhere = build_item(origin, "nowhere") | {"geometry": None, "bbox": []}
    items = [nested, heights, without_bbox, without_geometry, elsewhere, nowhere]
    with collect_notices() as notices:
        await run_mirror(tmp_path, serve_items(origin, items), Criteria(bbox=(9, 49, 11, 51)))
    check_catalog(tmp_path, {"nested", "heights", "without_bbox", "without_geometry"})
    (line,) = notices.lines()
    assert line == (
        "Items without a valid bounding box or geometry are left out, because the search has an "
        "area: item 'nowhere'"
    )


async def test_items_at_antimeridian_are_found_and_described(
    origin: Origin, tmp_path: Path
) -> None:
    crossing = build_item(origin, "crossing") | {"bbox": [179, -17, -179, -16]}
    split = build_item(origin, "split")
    split["bbox"] = [-180, -18, 180, -16]
    split["geometry"] = {
        "type": "MultiLineString",
        "coordinates": [[[179, -18], [180, -18]], [[-180, -18], [-179, -16]]],
    }
    other_side = build_item(origin, "other_side") | {"bbox": [0, -17, 10, -16]}
    await run_mirror(tmp_path, serve_items(origin, [crossing, split, other_side]), FIJI)
    catalog = check_catalog(tmp_path, {"crossing", "split"})
    (collection,) = catalog.get_collections()
    assert collection.extent.spatial.bboxes == [[179, -18, -179, -16]]


async def test_api_is_asked_for_both_sides_of_the_antimeridian(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "crossing") | {"bbox": [179, -17, -179, -16]}
    result = await run_mirror(tmp_path, serve_api(origin, [item]), FIJI)
    boxes = [parse_qs(request.query)["bbox"] for request in origin.gets("/api/search")]
    assert boxes == [["178.0,-20.0,180.0,-15.0"], ["-180.0,-20.0,-178.0,-15.0"]]
    assert (result.found_ids, result.mirror.changes.duplicates) == ({"crossing"}, 0)
    assert result.mirror.is_complete


async def test_heights_of_the_search_area_are_compared_locally() -> None:
    inside = found_item("inside", bbox=[10, 50, 90, 10, 50, 95])
    above = found_item("above", bbox=[10, 50, 900, 10, 50, 950])
    with search_api([inside, above, found_item("flat")]) as api:
        result = await search_source(api.url, Criteria(bbox=(9, 49, 0, 11, 51, 100)))
        assert api.searches[0].fields["bbox"] == [9, 49, 11, 51]
    assert result.ids == ["inside", "flat"]
    assert "do not match `search.bbox`" in result.notices[0]


async def test_heights_apply_to_item_files_too(origin: Origin, tmp_path: Path) -> None:
    above = build_item(origin, "above") | {"bbox": [10, 50, 900, 10, 50, 950]}
    href = serve_items(origin, [above, build_item(origin, "flat")])
    result = await run_mirror(tmp_path, href, Criteria(bbox=(9, 49, 0, 11, 51, 100)))
    assert result.found_ids == {"flat"}
