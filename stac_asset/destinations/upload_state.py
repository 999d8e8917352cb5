"""The pure state of an upload: what was received, and what the source announced."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from stac_asset.destinations.missing_ranges import MissingRanges
from stac_asset.errors import RangeError, SizeError, TruncatedError

_UNKNOWN_END = sys.maxsize


@dataclass(slots=True)
class UploadState:
    """Received bytes of a file, and the responses that may continue them."""

    declared_size: int | None = None
    """Size in bytes that the item declares, if any."""

    offset: int = 0
    """Number of received bytes."""

    validator: str | None = None
    """The source's name for the version of the received bytes."""

    size: int | None = None
    """Size of the complete file in bytes, if the source reported one."""

    missing: MissingRanges | None = None
    """Missing byte ranges, once the file arrives in several of them."""

    end: int = _UNKNOWN_END
    """Position after the last byte of the current response."""

    def __post_init__(self) -> None:
        if self.declared_size is not None:
            self.end = self.declared_size

    @property
    def room(self) -> int:
        """Number of bytes that the current response may still send."""
        return self.end - self.offset

    @property
    def stopped_short(self) -> bool:
        """Whether the response ended before the end of the file, and more can be requested."""
        return (
            self.validator is not None
            and self.size is not None
            and self.offset == self.end < self.size
        )

    @property
    def prefix(self) -> int:
        """Number of received bytes before the first missing one."""
        return self.offset if self.missing is None else self.missing.prefix

    def check_continues(self, offset: int, validator: str | None, size: int | None) -> None:
        """Check that a response continues the received bytes.

        Args:
            offset: Position of its first byte.
            validator: The source's name for its version.
            size: Size of the complete file in bytes, if reported.

        Raises:
            RangeError: It does not, and the received bytes are useless.
        """
        if offset and (offset != self.offset or validator != self.validator):
            raise RangeError(f"the source sent bytes from {offset} on, which were not asked for")
        if offset and self.size is not None and size not in (None, self.size):
            raise RangeError(f"the file changed its size to {size} bytes while it was fetched")

    def accept(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Record the start of a response that continues the received bytes.

        Args:
            offset: Position of its first byte.
            validator: The source's name for its version, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after its last byte, if it is only a part of the file.

        Raises:
            RangeError: It is a part of a file of unknown size.
            SizeError: The size differs from the declared one.
        """
        if offset and size is None:
            size = self.size
        if size is None and end is not None:
            raise RangeError(f"the source sent bytes up to {end}, and does not say of how many")
        if size is not None and self.declared_size not in (None, size):
            raise SizeError(
                f"the source has {size} bytes where file:size says {self.declared_size}"
            )
        self.validator, self.size = validator, size
        known = size if size is not None else self.declared_size
        self.end = end if end is not None else _UNKNOWN_END if known is None else known

    def check_room(self, count: int) -> None:
        """Check that the current response may send so many more bytes.

        Args:
            count: Number of bytes.

        Raises:
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """
        if count <= self.room:
            return
        if self.size is None:
            raise SizeError(f"the source has more bytes than the {self.declared_size} of file:size")
        raise RangeError(f"the source sent more bytes than up to {self.end}, as it announced")

    def check_complete(self) -> None:
        """Check that all bytes were received.

        Raises:
            TruncatedError: Bytes are missing.
            SizeError: The size differs from the declared one.
        """
        if self.size is not None and self.offset != self.size:
            raise TruncatedError(f"{self.offset} of {self.size} announced bytes arrived")
        if self.declared_size not in (None, self.offset):
            raise SizeError(
                f"the source has {self.offset} bytes where file:size says {self.declared_size}"
            )
