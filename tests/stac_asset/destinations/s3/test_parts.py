"""The division of files into parts, up to the largest object of S3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.destinations.s3.parts import (
    DEFAULT_PART,
    MAX_HELD,
    MAX_PARTS,
    MAX_SIZE,
    MIB,
    MIN_PART,
    PartLayout,
    part_size,
)
from stac_asset.errors import DestinationError

GIB = 1024 * MIB

sizes = st.one_of(
    st.integers(1, MAX_SIZE),
    st.integers(1, MAX_SIZE // MIB).map(lambda count: count * MIB),
    st.integers(1, 2 * MAX_PARTS).map(lambda count: count * DEFAULT_PART),
)


@given(sizes, st.sampled_from([MIN_PART, DEFAULT_PART]))
def test_parts_cover_a_file_of_any_size(size: int, smallest: int) -> None:
    layout = PartLayout.of(size, smallest)
    last = layout.number_at(size - 1)
    assert last <= MAX_PARTS
    assert smallest <= layout.unit <= 5 * GIB
    assert layout.span(1)[0] == 0
    assert layout.span(last)[1] == size
    for number in {1, last // 2 or 1, max(1, last - 1)}:
        start, end = layout.span(number)
        assert number == last or end - start == layout.unit
        assert number == last or layout.span(number + 1)[0] == end
        assert layout.number_at(start) == layout.number_at(end - 1) == number


@given(st.integers(0, 2500 * DEFAULT_PART * 15 - 1))
def test_parts_cover_a_file_of_unknown_size(position: int) -> None:
    layout = PartLayout.of(None)
    number = layout.number_at(position)
    start, end = layout.span(number)
    assert start <= position < end
    assert number <= MAX_PARTS


def test_largest_object_has_10000_parts() -> None:
    layout = PartLayout.of(MAX_SIZE)
    assert layout.unit == 525 * MIB
    assert layout.number_at(MAX_SIZE - 1) <= MAX_PARTS
    with pytest.raises(DestinationError, match="at most"):
        part_size(MAX_SIZE + 1)


def test_parts_of_files_up_to_312_gib_are_held_in_memory() -> None:
    largest = MAX_HELD * MAX_PARTS
    assert largest // GIB == 312
    assert part_size(largest) == MAX_HELD
    assert part_size(largest + 1) > MAX_HELD
