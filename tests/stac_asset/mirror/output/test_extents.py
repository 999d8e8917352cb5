"""Extents of collections, computed from the changes of a run or from all items."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stac_asset.mirror.output.extents import ItemsExtent, extent_after
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow, RowChange
from stac_asset.mirror.state.version import Version
from stac_asset.stac.geometry import enclosing_box, merged_longitudes

LONGITUDES = st.sampled_from([-180.0, -175.0, -60.0, 0.0, 10.0, 60.0, 175.0, 180.0])
BOXES = st.tuples(LONGITUDES, LONGITUDES)


def row(name: str, longitudes: tuple[float, float], day: int = 1) -> IndexRow:
    west, east = longitudes
    time = f"2026-06-{day:02}T00:00:00Z"
    box = [west, -1.0, east, 1.0]
    version = Version(None, None, {})
    return IndexRow(Key("c", name), (1, 2), "https://e.com", version, bbox=box, span=(time, time))


@given(
    before=st.lists(BOXES, min_size=1, max_size=5),
    added=st.lists(BOXES, max_size=3),
    moved=BOXES | st.none(),
)
def test_extent_after_changes_is_that_of_all_items(
    before: list[tuple[float, float]],
    added: list[tuple[float, float]],
    moved: tuple[float, float] | None,
) -> None:
    rows = [row(f"item-{number}", box) for number, box in enumerate(before)]
    new = [row(f"new-{number}", box, day=5) for number, box in enumerate(added)]
    changes = [RowChange(None, one) for one in new]
    after = rows[:]
    if moved is not None:
        after[0] = row("item-0", moved)
        changes.append(RowChange(rows[0], after[0]))
    recorded = ItemsExtent.of(rows).merged_into(None)
    expected = ItemsExtent.of([*after, *new]).merged_into(None)
    found = extent_after(recorded, changes)
    assert found is None or found.merged_into(None) == expected


def test_extent_after_removal_or_without_positions_is_not_known() -> None:
    one = row("one", (1.0, 2.0))
    recorded = ItemsExtent.of([one]).merged_into(None)
    assert extent_after(recorded, []) is not None
    assert extent_after(recorded, [RowChange(one, None)]) is None
    without_box: dict[str, object] = {"spatial": {"bbox": []}}
    for invalid in (None, without_box, recorded | {"temporal": {"interval": 5}}):
        assert extent_after(invalid, []) is None


@given(st.lists(BOXES, min_size=1, max_size=6))
def test_merged_longitudes_have_the_same_box(longitudes: list[tuple[float, float]]) -> None:
    merged = list(merged_longitudes(longitudes))
    assert len(merged) <= 2 * len(longitudes)
    assert enclosing_box((west, 0, east, 1) for west, east in merged) == enclosing_box(
        (west, 0, east, 1) for west, east in longitudes
    )
