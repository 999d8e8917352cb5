"""The picture of new and updated items over the earlier items of a mirror."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pystac
import pytest

from prefect_stac_asset.flows.mirror.before_after import BeforeAfter
from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.footprints import MAX_FOOTPRINTS
from stac_asset.mirror.changes import WantedItem
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version
from stac_asset.plan.reasons import Reason

VERSION = Version(None, None, {})


def rows_of(*boxes: Any) -> Rows:
    """Return the rows of a mirror as read from the index, with an item for each box."""
    rows = Rows()
    for number, box in enumerate(boxes):
        row = IndexRow(Key("c", f"old-{number}"), ("1", 9), "https://e.com", VERSION, bbox=box)
        rows.read(row, row.to_line())
    rows.settle(None)
    return rows


def prepared(name: str, box: list[float] | None) -> Prepared:
    item = pystac.Item(name, None, box, datetime(2026, 6, 1), {}, collection="c")
    wanted = WantedItem(Key("c", name), Reason.NEW, VERSION, 0)
    storage: Any = None
    return Prepared(wanted, item, (), None, storage)


def add(picture: BeforeAfter, *items: Prepared) -> None:
    for item in items:
        picture.add(item, is_new=not picture.has_item(item))


async def drawn(picture: BeforeAfter) -> tuple[ElementTree.Element, list[str]]:
    """Return the picture, and the lines of the legend."""
    section = await picture.section()
    assert section is not None
    title, image, legend = section.split("\n\n")
    assert title == "## New since the last run"
    data = image.partition("base64,")[2].removesuffix(")")
    return ElementTree.fromstring(base64.b64decode(data)), legend.split("\n")


def count(root: ElementTree.Element, color: str) -> int:
    names = ("polygon", "circle")
    return sum(
        one.tag.rpartition("}")[2] in names and color in (one.get("stroke"), one.get("fill"))
        for one in root.iter()
    )


async def test_new_and_updated_items_are_drawn_over_earlier_items() -> None:
    picture = BeforeAfter(rows_of([5, 50, 6, 51], [5, 51, 0, 6, 52, 9], None))
    add(picture, prepared("a", [7, 50, 8, 51]), prepared("old-1", [5, 51, 6, 52]))
    root, legend = await drawn(picture)
    assert [count(root, color) for color in (svg.MUTED, svg.ACCENT, svg.ACCENT_2)] == [2, 1, 1]
    assert legend == [
        "- Blue: 1 new item",
        "- Orange: 1 updated item",
        "- Gray: 3 earlier items, of which 2 are shown",
    ]
    fills = [one.get("fill") for one in root.iter() if one.get("fill-opacity") == "0.2"]
    assert fills[-1] == svg.ACCENT


async def test_large_mirrors_and_runs_show_samples() -> None:
    boxes = [[x / 100, 10.0, x / 100 + 1, 11.0] for x in range(5000)]
    picture = BeforeAfter(rows_of(*boxes))
    add(picture, *(prepared(f"new-{n}", [n / 100, 20, n / 100 + 1, 21]) for n in range(1000)))
    root, legend = await drawn(picture)
    assert count(root, svg.ACCENT) == MAX_FOOTPRINTS
    assert count(root, svg.MUTED) == MAX_FOOTPRINTS
    assert legend == [
        "- Blue: 1,000 new items, of which 300 are shown",
        "- Gray: 5,000 earlier items, of which 300 are shown",
    ]


@pytest.mark.parametrize("box", [None, [1.0], [float("nan")] * 4])
async def test_run_without_drawable_changes_has_no_picture(box: Any) -> None:
    picture = BeforeAfter(rows_of([5, 50, 6, 51]))
    assert await picture.section() is None
    add(picture, prepared("a", box))
    assert await picture.section() is None


async def test_first_run_of_a_mirror_has_only_new_items() -> None:
    picture = BeforeAfter(Rows())
    add(picture, prepared("a", [7, 50, 8, 51]))
    root, legend = await drawn(picture)
    assert (count(root, svg.ACCENT), legend) == (1, ["- Blue: 1 new item"])


async def test_items_that_left_the_source_are_not_drawn() -> None:
    row = IndexRow(Key("c", "b"), ("1", 9), "s", VERSION, bbox=[5, 50, 6, 51], removed=True)
    rows = Rows()
    rows[row.key] = row
    picture = BeforeAfter(rows)
    add(picture, prepared("a", [7, 50, 8, 51]))
    root, _ = await drawn(picture)
    assert count(root, svg.MUTED) == 0
