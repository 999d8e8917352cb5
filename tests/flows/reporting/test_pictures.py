"""The pictures in the summary of a run: throughput, and footprints on a map."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.charts import throughput_chart
from prefect_stac_asset.flows.reporting.footprints import Outline
from prefect_stac_asset.flows.reporting.maps import footprint_map
from prefect_stac_asset.flows.reporting.pictures import pictures
from prefect_stac_asset.flows.reporting.statistics import Statistics, Throughput

DEGREES = st.floats(-180, 180), st.floats(-90, 90)


def square(west: float, south: float, size: float = 1) -> Outline:
    """Return the outline of a square."""
    east, north = west + size, south + size
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def texts(root: ElementTree.Element) -> list[str]:
    """Return the texts of a picture."""
    return [element.text or "" for element in root.iter("text")]


def shapes(root: ElementTree.Element, color: str) -> list[ElementTree.Element]:
    """Return the outlines and dots of a color."""
    names = ("polygon", "polyline", "circle")
    return [
        element
        for element in root.iter()
        if element.tag in names and color in (element.get("stroke"), element.get("fill"))
    ]


def positions(element: ElementTree.Element) -> list[tuple[float, float]]:
    """Return the points of an outline."""
    pairs = (pair.split(",") for pair in element.get("points", "").split())
    return [(float(x), float(y)) for x, y in pairs]


def test_chart_shows_each_second_and_labels_the_axes() -> None:
    throughput = Throughput()
    for second, size in enumerate([10_000_000, 0, 40_000_000]):
        throughput.add(second, size)
    root = throughput_chart(throughput)
    [steps] = shapes(root, svg.ACCENT)
    heights = [y for _, y in positions(steps)]
    assert len(heights) == 8
    assert heights[1] == heights[2] > min(heights)
    assert heights[3] == heights[4] == heights[0]
    assert heights[5] == heights[6] == min(heights)
    assert {"20.0 MB/s", "40.0 MB/s", "2", "time since the start (s)"} <= set(texts(root))


def test_map_draws_land_and_footprints_in_the_colors_of_their_layers() -> None:
    root = footprint_map({svg.MUTED: [[square(5, 50)]], svg.ACCENT: [[square(7, 50)]]})
    [land] = root.iter("path")
    assert (land.get("d") or "").count("M") >= 2
    [present], [new] = shapes(root, svg.MUTED), shapes(root, svg.ACCENT)
    assert max(x for x, _ in positions(present)) < min(x for x, _ in positions(new))
    assert {"5°E", "50°N"} <= set(texts(root))


def test_map_keeps_the_shape_of_footprints() -> None:
    [shape] = shapes(footprint_map({svg.ACCENT: [[square(10, -3, 2)]]}), svg.ACCENT)
    xs, ys = zip(*positions(shape), strict=True)
    assert max(xs) - min(xs) == pytest.approx(max(ys) - min(ys), abs=0.2)


def test_footprints_that_are_too_small_and_points_are_dots() -> None:
    root = footprint_map({svg.ACCENT: [[square(-120, 40)], [square(140, -30)], [[(0.0, 60.0)]]]})
    assert [shape.tag for shape in shapes(root, svg.ACCENT)] == ["circle"] * 3


def test_land_is_drawn_beyond_the_antimeridian() -> None:
    root = footprint_map({svg.ACCENT: [[square(179, 66)], [square(189, 66)]]})
    [land] = root.iter("path")
    assert (land.get("d") or "").count("M") >= 2
    assert "170°W" in texts(root)


@given(st.lists(st.lists(st.tuples(*DEGREES), min_size=1, max_size=5), min_size=1, max_size=5))
def test_every_footprint_is_inside_the_map(outlines: list[Outline]) -> None:
    root = footprint_map({svg.ACCENT: [outlines]})
    drawn = shapes(root, svg.ACCENT)
    assert len(drawn) == len(outlines)
    for shape in drawn:
        found = positions(shape) or [(float(shape.get("cx", -1)), float(shape.get("cy", -1)))]
        assert all(0 <= x <= 720 and 0 <= y <= 360 for x, y in found)
    assert svg.data_url(root).startswith("data:image/svg+xml;base64,")


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9), st.integers(2, 10))
def test_labels_of_axes_are_round_and_within_the_range(
    low: float, width: float, count: int
) -> None:
    found = svg.ticks(low, low + width, count)
    assert len(found) <= count + 1
    assert all(low - width * 1e-6 <= value <= low + width * (1 + 1e-6) for value in found)


def test_run_without_bytes_and_footprints_has_no_pictures() -> None:
    statistics = Statistics(1)
    assert pictures(statistics) == []
    statistics.footprints.append([])
    assert pictures(statistics) == []
