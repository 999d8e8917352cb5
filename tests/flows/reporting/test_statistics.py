"""Statistics of a run, and limits on the memory used for these statistics."""

from __future__ import annotations

from prefect_stac_asset.flows.reporting.artifacts import progress
from prefect_stac_asset.flows.reporting.footprints import MAX_FOOTPRINTS
from prefect_stac_asset.flows.reporting.statistics import (
    MAX_FAILURES,
    MAX_TOP_ASSETS,
    Statistics,
    StatisticsReporter,
    Throughput,
)
from stac_asset.errors import TransferError
from stac_asset.types import Candidate, Downloaded, Failed, Transfer
from tests.support.geometry_items import SQUARE, pystac_item


def make_transfer(number: int) -> Transfer:
    candidate = Candidate(f"https://example.com/{number}?sig=SECRET", f"/data/{number}")
    return Transfer("item 'an-item'", f"a{number}", (candidate,), "/data", "an-item", size=10)


def test_throughput_buckets_widen_and_keep_all_bytes() -> None:
    throughput = Throughput()
    for second in range(10_000):
        throughput.add(second, 1)
    assert throughput.width == 64
    assert len(throughput.buckets) <= 240
    assert sum(throughput.buckets) == 10_000
    assert set(throughput.buckets[:-1]) == {64}


def test_lists_in_statistics_have_maximum_length() -> None:
    statistics = Statistics(2000)
    item = pystac_item({"type": "Polygon", "coordinates": [SQUARE]})
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
    assert statistics.received == statistics.received_so_far == 15_000
    assert "SECRET" not in str(statistics.failures)


async def test_progress_counts_bytes_if_all_sizes_are_known() -> None:
    transfer = make_transfer(0)
    for total_bytes, percent in ((40, 37.5), (None, 25.0)):
        statistics = Statistics(4, total_bytes)
        reporter = StatisticsReporter(statistics)
        for size in (10, 5):
            reporter.wrote(transfer.candidates[0], size)
        outcome = Downloaded(transfer, transfer.candidates[0], 10, 10, 1.0)
        statistics.add(pystac_item(None), [outcome])
        assert progress(statistics)[0] == percent
