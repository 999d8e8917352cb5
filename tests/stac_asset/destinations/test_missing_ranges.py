"""Missing byte ranges of a file that arrives over several connections."""

from __future__ import annotations

import pytest

from stac_asset.destinations import MissingRanges


def missing_ranges(*spans: tuple[int, int]) -> MissingRanges:
    """Return missing ranges of a file of 100 bytes."""
    return MissingRanges.parse(100, spans)


@pytest.mark.parametrize(
    "spans",
    [[], [(0, 100)], [(0, 1)], [(99, 100)], [(10, 20), (20, 30)], [(10, 20), (50, 100)]],
)
def test_valid_spans_are_parsed(spans: list[tuple[int, int]]) -> None:
    assert MissingRanges.parse(100, spans).spans() == spans
    assert MissingRanges.parse(100, [list(span) for span in spans]).spans() == spans


@pytest.mark.parametrize(
    "spans",
    [
        [(-1, 5)],
        [(5, 5)],
        [(5, 4)],
        [(50, 101)],
        [(10, 20), (15, 30)],
        [(50, 60), (10, 20)],
        [(1,)],
        [(1, 2, 3)],
        [("1", "2")],
        [(1.0, 2.0)],
        [1],
        [None],
        ["12"],
    ],
)
def test_invalid_spans_are_refused(spans: list[object]) -> None:
    with pytest.raises(ValueError, match="invalid span"):
        MissingRanges.parse(100, spans)


def test_received_bytes_are_counted() -> None:
    missing = missing_ranges((10, 20), (50, 100))
    assert (missing.received, missing.prefix, missing.untaken_bytes) == (40, 10, 60)
    complete = missing_ranges()
    assert (complete.received, complete.prefix, complete.untaken_bytes) == (100, 100, 0)


def test_first_untaken_range_is_taken() -> None:
    missing = missing_ranges((10, 20), (50, 100))
    first, second = missing.take(100), missing.take(100)
    assert first is not None
    assert second is not None
    assert (first.position, first.end, first.size) == (10, 20, 10)
    assert (second.position, second.end, second.size) == (50, 100, 50)
    assert missing.take(100) is None
    assert (missing.taken, missing.untaken_bytes) == (2, 0)


def test_large_range_is_split() -> None:
    missing = missing_ranges((0, 100))
    first = missing.take(30)
    assert first is not None
    assert (first.position, first.end) == (0, 30)
    assert missing.spans() == [(0, 30), (30, 100)]
    assert (missing.taken, missing.untaken_bytes) == (1, 70)
    second = missing.take(70)
    assert second is not None
    assert (second.position, second.end) == (30, 100)


def test_range_at_position_is_taken() -> None:
    missing = missing_ranges((10, 20), (50, 100))
    assert missing.take(100, at=15) is None
    taken = missing.take(20, at=50)
    assert taken is not None
    assert (taken.position, taken.end) == (50, 70)
    assert missing.take(20, at=50) is None
    assert missing.spans() == [(10, 20), (50, 70), (70, 100)]


def test_adjacent_untaken_ranges_are_joined() -> None:
    missing = missing_ranges((0, 10), (10, 20), (20, 30), (40, 50))
    taken = missing.take(100)
    assert taken is not None
    assert (taken.position, taken.end) == (0, 30)
    assert missing.spans() == [(0, 30), (40, 50)]


def test_taken_range_is_not_joined() -> None:
    missing = missing_ranges((0, 10), (10, 20), (20, 30))
    assert missing.take(10, at=10) is not None
    assert missing.spans() == [(0, 10), (10, 20), (20, 30)]
    first = missing.take(100)
    assert first is not None
    assert (first.position, first.end) == (0, 10)


def test_released_range_is_taken_again() -> None:
    missing = missing_ranges((0, 100))
    first = missing.take(50)
    assert first is not None
    missing.advance(first, 20)
    first.taken = False
    again = missing.take(100)
    assert again is not None
    assert (again.position, again.end) == (20, 100)


def test_received_bytes_shorten_range() -> None:
    missing = missing_ranges((10, 20), (50, 100))
    last = missing.take(50, at=50)
    assert last is not None
    missing.advance(last, 20)
    assert missing.spans() == [(10, 20), (70, 100)]
    assert (missing.received, missing.prefix) == (60, 10)


def test_empty_range_is_removed() -> None:
    missing = missing_ranges((10, 20), (50, 100))
    first = missing.take(10)
    assert first is not None
    missing.advance(first, 10)
    assert missing.spans() == [(50, 100)]
    assert (missing.received, missing.prefix) == (50, 50)


@pytest.mark.parametrize(
    ("spans", "required"),
    [
        ([], 100),
        ([(10, 20)], 100),
        ([(10, 20), (50, 100)], 50),
        ([(10, 20), (50, 70), (70, 100)], 50),
        ([(0, 100)], 0),
    ],
)
def test_part_file_must_hold_last_received_byte(
    spans: list[tuple[int, int]], required: int
) -> None:
    missing = missing_ranges(*spans)
    assert missing.fits(required)
    assert missing.fits(required + 1)
    assert not missing.fits(required - 1)


def test_last_byte_of_complete_file_is_requested_again() -> None:
    complete, incomplete = missing_ranges(), missing_ranges((10, 20))
    complete.request_last_byte_again()
    incomplete.request_last_byte_again()
    assert complete.spans() == [(99, 100)]
    assert incomplete.spans() == [(10, 20)]
