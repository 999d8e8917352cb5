"""The missing byte ranges of a file that arrives over several connections.

The parallel download takes ranges from here, and uploads record the rest for a later run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class ByteRange:
    """Consecutive missing bytes, which arrive in order."""

    position: int
    """Position of the first missing byte."""

    end: int
    """Position after the last missing byte."""

    taken: bool = False
    """Whether a connection fetches this range."""

    @property
    def size(self) -> int:
        """Number of missing bytes."""
        return self.end - self.position


@dataclass(slots=True)
class MissingRanges:
    """The missing byte ranges of a file of known size, in order."""

    size: int
    """Size of the complete file in bytes."""

    ranges: list[ByteRange] = field(default_factory=list)

    step: int | None = None
    """Size of the parts in which the destination stores the file, in bytes.

    A taken range ends at the end of a part, if set. Without a step, ranges end anywhere.
    """

    @classmethod
    def parse(cls, size: int, spans: Iterable[object]) -> MissingRanges:
        """Return the ranges that `spans` returned earlier.

        Args:
            size: Size of the complete file in bytes.
            spans: Pairs of start and end positions, from any source.

        Raises:
            ValueError: The spans are not in order within the file.
        """
        ranges: list[ByteRange] = []
        previous = 0
        for span in spans:
            match span:
                case [int(first), int(end)] if previous <= first < end <= size:
                    ranges.append(ByteRange(first, end))
                    previous = end
                case _:
                    raise ValueError("invalid span")
        return cls(size, ranges)

    def spans(self) -> list[tuple[int, int]]:
        """Return the start and end positions of all ranges."""
        return [(missing.position, missing.end) for missing in self.ranges]

    @property
    def received(self) -> int:
        """Number of received bytes."""
        return self.size - sum(missing.size for missing in self.ranges)

    @property
    def prefix(self) -> int:
        """Number of received bytes before the first missing byte."""
        return self.ranges[0].position if self.ranges else self.size

    @property
    def taken(self) -> int:
        """Number of ranges that connections fetch."""
        return sum(missing.taken for missing in self.ranges)

    @property
    def untaken_bytes(self) -> int:
        """Number of missing bytes that no connection fetches."""
        return sum(missing.size for missing in self.ranges if not missing.taken)

    def take(self, size: int, at: int | None = None) -> ByteRange | None:
        """Take the first range that no connection fetches. Split a range that is too large.

        Args:
            size: Maximum number of bytes. With a `step`, the range is the rest of a part.
            at: Required start position, if any.

        Returns:
            The range, marked as taken, or None if no such range is left.
        """
        for index, missing in enumerate(self.ranges):
            if not missing.taken and at in (None, missing.position):
                self._join(index)
                if self.step is not None:
                    size = self.step - missing.position % self.step
                if missing.size > size:
                    rest = ByteRange(missing.position + size, missing.end)
                    missing.end = rest.position
                    self.ranges.insert(index + 1, rest)
                missing.taken = True
                return missing
        return None

    def _join(self, index: int) -> None:
        """Join a range with the adjacent following ranges that are not taken."""
        missing = self.ranges[index]
        after = index + 1
        while after < len(self.ranges):
            following = self.ranges[after]
            if following.taken or following.position != missing.end:
                return
            missing.end = following.end
            del self.ranges[after]

    def advance(self, missing: ByteRange, size: int) -> None:
        """Shorten a range by received bytes, and remove an empty range.

        Args:
            missing: One of the ranges.
            size: Number of bytes received at the start of the range.
        """
        missing.position += size
        if not missing.size:
            self.ranges.remove(missing)

    def fits(self, size: int) -> bool:
        """Return whether a part file of a size can hold all received bytes.

        Args:
            size: Size of the part file in bytes.
        """
        end = self.size
        for missing in reversed(self.ranges):
            if missing.end == end:
                end = missing.position
        return size >= end

    def request_last_byte_again(self) -> None:
        """Mark the last byte as missing if no byte is missing.

        A repeated request for this byte shows whether the source still has the same version.
        """
        if not self.ranges:
            self.ranges.append(ByteRange(self.size - 1, self.size))
