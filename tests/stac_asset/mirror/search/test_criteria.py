"""Search criteria: rejected values, bounding boxes, ids and digests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window

POLYGON = {"type": "Polygon", "coordinates": [[[9, 49], [11, 49], [11, 51], [9, 51], [9, 49]]]}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("`search.bbox` must have four numbers .* and has 3", {"bbox": (1, 2, 3)}),
        ("`search.bbox` .* has 0", {"bbox": ()}),
        ("`search.bbox` must be a list of four numbers", {"bbox": "8,49,9,50"}),
        ("`search.bbox` must be a list of four numbers", {"bbox": 8}),
        ("`search.bbox` must be a list of four numbers", {"bbox": ("8", "49", "9", "50")}),
        ("`search.bbox` must have finite numbers", {"bbox": (1, 2, float("nan"), 4)}),
        ("`search.bbox` has a south of 5 that is north of 4", {"bbox": (1, 5, 2, 4)}),
        ("`search.bbox` must be in degrees", {"bbox": (1, 5, 200, 6)}),
        ("`search.bbox` must be in degrees", {"bbox": (1, -95, 2, 6)}),
        ("`search.intersects` is not a GeoJSON geometry", {"intersects": {"type": "Circle"}}),
        ("`search.intersects` is not a GeoJSON geometry", {"intersects": {}}),
        ("`search.bbox` and `search.intersects`", {"intersects": POLYGON, "bbox": (1, 2, 3, 4)}),
        ("`search.intersects` must be a GeoJSON geometry", {"intersects": "POLYGON EMPTY"}),
        (r"`search.collections` must be .* Write \['a', 'b'\]", {"collections": "a,b"}),
        ("`search.ids` must be a list", {"ids": "a"}),
        ("`search.q` must be a list", {"q": "flood"}),
        ("`search.sortby` must be a list", {"sortby": "id"}),
        ("`search.ids` must be a list of strings", {"ids": [1]}),
        ("`search.collections` has an empty entry", {"collections": ("a", "")}),
        ("`search.ids` has an empty entry", {"ids": (" ",)}),
        ("`search.filter` is empty", {"filter": " "}),
        ("`search.page_size` must be 1 to 10,000", {"page_size": 0}),
        ("`search.page_size` must be 1 to 10,000", {"page_size": 20_000}),
        ("`search.datetime` 'soon'", {"datetime": "soon"}),
        ("`search.overlap` 'much'", {"overlap": "much"}),
    ],
)
def test_invalid_criteria_are_rejected(message: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=message) as error_info:
        Criteria(**fields)
    assert "\n" not in str(error_info.value)


def test_lists_and_sets_are_accepted_as_tuples() -> None:
    lists: dict[str, Any] = {"collections": ["b", "a"], "ids": {"y", "x"}}
    criteria = Criteria(**lists)
    assert (criteria.collections, criteria.ids) == (("b", "a"), ("x", "y"))


def test_bbox_covers_overlapping_boxes() -> None:
    area = Criteria(bbox=(9, 49, 11, 51))
    assert area.covers([10, 50, 10, 50])
    assert area.covers([0, 0, 100, 80])
    assert area.covers([10, 50, -5, 12, 60, 100])
    assert not area.covers([12, 50, 13, 51])
    assert not area.covers([10, 52, 11, 53])
    assert not area.covers(None)
    assert Criteria().covers(None)
    assert Criteria(intersects=POLYGON).covers([10, 50, 10, 50])
    assert not Criteria(intersects=POLYGON).covers([20, 50, 20, 50])


def test_bbox_across_antimeridian_covers_both_sides() -> None:
    fiji = Criteria(bbox=(177, -20, -178, -15))
    assert fiji.covers([179, -18, 180, -17])
    assert fiji.covers([-180, -18, -179, -17])
    assert fiji.covers([179, -18, -179, -17])
    assert not fiji.covers([0, -18, 10, -17])


def test_ids_and_collections_must_both_match() -> None:
    criteria = Criteria(collections=("a",), ids=("1", "2"))
    assert criteria.matches_ids("a", "1")
    assert not criteria.matches_ids("b", "1")
    assert not criteria.matches_ids("a", "3")
    assert not criteria.matches_ids(None, "1")
    assert Criteria().matches_ids(None, "1")


def test_digest_depends_only_on_selection_of_items() -> None:
    criteria = Criteria(collections=("a",), datetime="last 10 days")
    assert criteria.digest("x") == Criteria(
        collections=("a",), datetime="last 10 days", overlap="2 days", sortby=("id",), page_size=9
    ).digest("x")
    assert criteria.digest("x") != criteria.digest("y")
    assert criteria.digest("x") != Criteria(collections=("b",), datetime="last 10 days").digest("x")


def test_description_names_all_criteria_in_one_line() -> None:
    criteria = Criteria(
        collections=("a", "b"),
        ids=tuple(f"id-{number}" for number in range(7)),
        bbox=(1.5, 2, 3, 4),
        datetime="2026-06",
        filter="x < 1\n AND y > 2",
        query={"z": {"eq": "q" * 100}},
        q=("flood",),
    )
    text = criteria.description(criteria.window(datetime.now(UTC)))
    assert text.startswith(
        "collections 'a', 'b'; ids 'id-0', 'id-1', 'id-2', 'id-3', 'id-4' and 2 more; q 'flood'; "
        "bbox 1.5, 2, 3, 4; datetime 2026-06-01T00:00:00Z/2026-06-30T23:59:59.999999Z; query "
    )
    assert text.endswith("…; filter x < 1 AND y > 2")
    assert Criteria().description(Window()) == "all items"
