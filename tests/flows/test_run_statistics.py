"""What is gathered for a run's artifacts, and that it does not grow with the run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pystac
import pytest

from prefect_stac_asset.flows.reporting.artifacts import progress
from prefect_stac_asset.flows.reporting.footprints import outlines
from prefect_stac_asset.flows.reporting.statistics import (
    MAX_FAILURES,
    MAX_FOOTPRINTS,
    MAX_TOP_ASSETS,
    Statistics,
    StatisticsReporter,
    Throughput,
)
from stac_asset.errors import TransferError
from stac_asset.types import Candidate, Downloaded, Failed, Transfer

SQUARE = [(10.0, 50.0), (11.0, 50.0), (11.0, 51.0), (10.0, 51.0), (10.0, 50.0)]
POINT = {"type": "Point", "coordinates": [1, 2, 3]}


def make_item(geometry: Any, bbox: Any = None) -> pystac.Item:
    return pystac.Item("an-item", geometry, bbox, datetime(2026, 6, 1), {})


def make_transfer(number: int) -> Transfer:
    candidate = Candidate(f"https://example.com/{number}?sig=SECRET", f"/data/{number}")
    return Transfer("item 'an-item'", f"a{number}", (candidate,), "/data", "an-item", size=10)


def test_throughput_coarsens_and_loses_no_bytes() -> None:
    throughput = Throughput()
    for second in range(10_000):
        throughput.add(second, 1)
    assert throughput.width == 64
    assert len(throughput.buckets) <= 240
    assert sum(throughput.buckets) == 10_000
    assert set(throughput.buckets[:-1]) == {64}


def test_what_is_kept_is_bounded() -> None:
    statistics = Statistics(2000)
    item = make_item({"type": "Polygon", "coordinates": [SQUARE]})
    for number in range(1000):
        transfer = make_transfer(number)
        error = TransferError("no, see https://example.com/?sig=SECRET")
        statistics.add(
            item,
            [
                Downloaded(transfer, transfer.candidates[0], 10, 10, number, attempts=number % 7),
                Failed("item 'an-item'", "b", error, transfer, attempts=2, received=5),
            ],
        )
    assert (statistics.items, statistics.downloaded, statistics.failed) == (1000, 1000, 1000)
    assert [row.seconds for row in statistics.slowest] == list(range(999, 999 - MAX_TOP_ASSETS, -1))
    assert [row.attempts for row in statistics.most_retried] == [6] * MAX_TOP_ASSETS
    assert len(statistics.failures) == MAX_FAILURES
    assert len(statistics.footprints) == MAX_FOOTPRINTS
    assert statistics.received == statistics.moved == 15_000
    assert "SECRET" not in str(statistics.failures)


async def test_progress_is_by_bytes_where_all_sizes_are_known() -> None:
    transfer = make_transfer(0)
    for total_bytes, percent in ((40, 37.5), (None, 25.0)):
        statistics = Statistics(4, total_bytes)
        sight = StatisticsReporter(statistics)
        for size in (10, 5):
            sight.wrote(transfer.candidates[0], size)
        outcome = Downloaded(transfer, transfer.candidates[0], 10, 10, 1.0)
        statistics.add(make_item(None), [outcome])
        assert progress(statistics)[0] == percent


@pytest.mark.parametrize(
    ("geometry", "found"),
    [
        (POINT, [[(1.0, 2.0)]]),
        ({"type": "Polygon", "coordinates": [SQUARE, SQUARE]}, [SQUARE]),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}, [SQUARE, SQUARE]),
        (
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}],
            },
            [[(1.0, 2.0)]],
        ),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, []),
        ({"type": "Polygon", "coordinates": None}, []),
        ({"type": "Point", "coordinates": [float("nan"), 1]}, []),
        ({"type": "Blob"}, []),
        ("POINT(1 2)", []),
    ],
)
def test_outlines_of_geometries_and_of_what_is_none(geometry: Any, found: Any) -> None:
    assert outlines(make_item(geometry)) == found


def test_box_stands_for_a_missing_geometry() -> None:
    assert outlines(make_item(None, [10, 50, 0, 11, 51, 100])) == [SQUARE]
    assert outlines(make_item(None)) == []


def test_outline_of_many_points_is_thinned_and_stays_closed() -> None:
    points = [(number / 10, 0.0) for number in range(1001)]
    ((*_, last),) = outlines(make_item({"type": "Polygon", "coordinates": [points]}))
    assert last == points[-1]
    assert len(outlines(make_item({"type": "Polygon", "coordinates": [points]}))[0]) <= 65
