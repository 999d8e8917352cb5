"""Byte ranges of responses according to the `Content-Range` header and the body length."""

from __future__ import annotations

import pytest

from stac_asset.clients.content_range import Extent
from stac_asset.errors import RangeError

SHOWN = "https://example.com/a.tif"


@pytest.mark.parametrize("length", [None, 0, 7])
def test_whole_file_starts_at_zero_and_has_the_length_of_the_body(length: int | None) -> None:
    extent = Extent.whole(length)
    assert (extent.offset, extent.end, extent.size) == (0, None, length)


@pytest.mark.parametrize(
    ("content_range", "length", "expected"),
    [
        ("bytes 0-0/1", 1, (0, 1, 1)),
        ("bytes 3-6/9", 4, (3, 7, 9)),
        ("bytes 3-8/9", 6, (3, 9, 9)),
        ("bytes 007-008/0010", 2, (7, 9, 10)),
    ],
)
def test_range_is_parsed(content_range: str, length: int, expected: tuple[int, int, int]) -> None:
    extent = Extent.part(content_range, length, SHOWN)
    assert (extent.offset, extent.end, extent.size) == expected


def test_size_can_be_unknown() -> None:
    assert Extent.part("bytes 3-6/*", 4, SHOWN).size is None


def test_length_of_body_can_be_unknown() -> None:
    assert Extent.part("bytes 3-6/9", None, SHOWN) == Extent(3, 7, 9)


def test_empty_range_is_accepted() -> None:
    assert Extent.part("bytes 9-8/9", 0, SHOWN) == Extent(9, 9, 9)


@pytest.mark.parametrize(
    "content_range",
    [
        pytest.param("", id="missing"),
        pytest.param("bytes 3-6", id="without-size"),
        pytest.param("bytes */9", id="unsatisfied"),
        pytest.param("bytes=3-6/9", id="request-syntax"),
        pytest.param("items 3-6/9", id="other-unit"),
        pytest.param("Bytes 3-6/9", id="upper-case-unit"),
        pytest.param("bytes -3-6/9", id="negative"),
        pytest.param("bytes 3-6/9, bytes 7-8/9", id="several-ranges"),
        pytest.param("bytes 3-6/9\n", id="line-break"),
        pytest.param(" bytes 3-6/9", id="leading-space"),
        pytest.param("bytes ٣-6/9", id="non-ascii-digits"),
        pytest.param(f"bytes 3-{'9' * 19}/*", id="too-many-digits"),
    ],
)
def test_invalid_header_is_an_error(content_range: str) -> None:
    with pytest.raises(RangeError, match="without a valid Content-Range header") as raised:
        Extent.part(content_range, None, SHOWN)
    assert str(raised.value).startswith(f"{SHOWN}: ")


@pytest.mark.parametrize("content_range", ["bytes 5-3/9", "bytes 5-9/9", "bytes 0-0/0"])
def test_contradictory_range_is_an_error(content_range: str) -> None:
    with pytest.raises(RangeError, match=f"invalid range '{content_range}'$") as raised:
        Extent.part(content_range, None, SHOWN)
    assert str(raised.value).startswith(f"{SHOWN}: ")


@pytest.mark.parametrize("length", [0, 3, 5])
def test_other_length_of_body_is_an_error(length: int) -> None:
    with pytest.raises(RangeError, match=f"{length} bytes for a range of 4 bytes") as raised:
        Extent.part("bytes 3-6/9", length, SHOWN)
    assert str(raised.value).startswith(f"{SHOWN}: ")
