"""Internal: how a file is divided into the parts of a multipart upload, without I/O.

Limits of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from stac_asset.destinations.buckets.buffers import MIB
from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges
from stac_asset.errors import DestinationError

MIN_PART = 5 * MIB
"""Minimum size of a part in bytes. Only the last part may be smaller."""

DEFAULT_PART = 8 * MIB
"""Size of the parts of most files, in bytes."""

MAX_HELD = 32 * MIB
"""Maximum size in bytes of a part in memory. Larger parts are streamed.

Files of more than 312 GiB have larger parts, whose bytes are sent as they arrive.
"""

MAX_PARTS = 10_000
"""Maximum number of parts of an object."""

MAX_SIZE = 5 * 1024 * 1024 * MIB
"""Maximum size of an object in bytes (5 TiB)."""

_PARTS_PER_STEP = MAX_PARTS // 4
"""Number of parts after which the parts of a file of unknown size double."""


def part_size(size: int | None, smallest: int = DEFAULT_PART) -> int:
    """Return the size of the parts of a file, so that the file has at most 10,000 parts.

    Args:
        size: Size of the file in bytes, if known.
        smallest: Minimum size of a part in bytes.

    Raises:
        DestinationError: S3 does not store files of this size.
    """
    if size is None or size <= smallest * MAX_PARTS:
        return smallest
    if size > MAX_SIZE:
        raise DestinationError(
            f"the file has {size} bytes, but an S3 object has at most {MAX_SIZE} bytes"
        )
    return -(-size // MAX_PARTS // MIB) * MIB


@dataclass(frozen=True, slots=True)
class PartLayout:
    """The positions of the parts of a file.

    If the size of the file is unknown, the parts double in size after each 2,500 parts.
    """

    unit: int
    """Size of the first part in bytes."""

    size: int | None = None
    """Size of the file in bytes, if known."""

    @classmethod
    def of(cls, size: int | None, smallest: int = DEFAULT_PART) -> PartLayout:
        """Return the layout of a file.

        Args:
            size: Size of the file in bytes, if known.
            smallest: Minimum size of a part in bytes.

        Raises:
            DestinationError: S3 does not store files of this size.
        """
        return cls(part_size(size, smallest), size)

    def number_at(self, position: int) -> int:
        """Return the number of the part that contains a byte. The first part is 1.

        Args:
            position: Position of the byte in the file.

        Raises:
            DestinationError: A file of unknown size has too many bytes.
        """
        if self.size is not None:
            return position // self.unit + 1
        first, unit = 1, self.unit
        while first <= MAX_PARTS:
            if position < _PARTS_PER_STEP * unit:
                return first + position // unit
            position -= _PARTS_PER_STEP * unit
            first, unit = first + _PARTS_PER_STEP, 2 * unit
        raise DestinationError(
            "the file is too large for an upload without a known size; the source does not report "
            "the size"
        )

    def span(self, number: int) -> tuple[int, int]:
        """Return the positions of the first byte of a part and after the last byte.

        Args:
            number: The number of the part.
        """
        if self.size is not None:
            start = (number - 1) * self.unit
            return start, min(start + self.unit, self.size)
        steps, rest = divmod(number - 1, _PARTS_PER_STEP)
        start = _PARTS_PER_STEP * self.unit * (2**steps - 1)
        unit = self.unit * 2**steps
        return start + rest * unit, start + (rest + 1) * unit

    def matches(self, number: int, size: int) -> bool:
        """Return whether a stored part has the size of this part.

        Args:
            number: The number of the part.
            size: Size of the stored part in bytes.
        """
        start, end = self.span(number)
        return size == end - start

    def received(self, numbers: Collection[int]) -> tuple[int, MissingRanges | None]:
        """Return the received bytes, if some parts are stored.

        At least one byte is requested again: the last part counts as missing, or the last stored
        part of a file of unknown size. The response shows whether the source still has the same
        version.

        Args:
            numbers: The numbers of the stored parts.

        Returns:
            The number of received bytes, and the missing ranges if they are not the end of the file
            alone.
        """
        stored = set(numbers)
        if self.size is not None:
            stored.discard(self.number_at(max(self.size - 1, 0)))
        first = 1
        while first in stored:
            first += 1
        if self.size is None and first > 1:
            first -= 1
        offset = self.span(first)[0]
        if self.size is None or len(stored) == first - 1:
            return offset, None
        missing = MissingRanges(self.size, step=self.unit)
        for number in range(first, self.number_at(self.size - 1) + 1):
            start, end = self.span(number)
            if number in stored:
                continue
            if missing.ranges and missing.ranges[-1].end == start:
                missing.ranges[-1].end = end
            else:
                missing.ranges.append(ByteRange(start, end))
        return missing.received, missing
