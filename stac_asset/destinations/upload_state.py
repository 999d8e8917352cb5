"""The state of an upload: the received bytes, and the current response.

Implementations of `Upload` use this class. It performs no I/O.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass

from stac_asset.destinations.missing_ranges import MissingRanges
from stac_asset.destinations.store_copy import CopyTarget, StoreCopy, StoredSource
from stac_asset.errors import ChecksumError, RangeError, SizeError, TruncatedError
from stac_asset.integrity import Multihash

_UNKNOWN_END = sys.maxsize
"""End of a response of unknown size."""


@dataclass(slots=True)
class UploadState:
    """Received bytes of a file, and the range of the current response."""

    declared_size: int | None = None
    """Size in bytes that the item declares, if any."""

    offset: int = 0
    """Number of received bytes."""

    validator: str | None = None
    """The identifier of the version of the received bytes at the source."""

    size: int | None = None
    """Size of the complete file in bytes, if reported by the source."""

    missing: MissingRanges | None = None
    """Missing byte ranges, if the file arrives in several ranges."""

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
        """Number of received bytes before the first missing byte."""
        return self.offset if self.missing is None else self.missing.prefix

    def check_continues(self, offset: int, validator: str | None, size: int | None) -> None:
        """Check that a response continues the received bytes.

        Args:
            offset: Position of the first byte of the response.
            validator: The identifier of its version at the source.
            size: Size of the complete file in bytes, if reported.

        Raises:
            RangeError: The response does not continue the received bytes.
        """
        if offset and (offset != self.offset or validator != self.validator):
            raise RangeError(
                f"the source sent bytes from position {offset}, which were not requested"
            )
        if offset and self.size is not None and size not in (None, self.size):
            raise RangeError(f"the size of the file changed to {size} bytes during the download")

    def accept(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Record the start of a response that continues the received bytes.

        Args:
            offset: Position of the first byte of the response.
            validator: The identifier of its version at the source, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after its last byte, if it is only a part of the file.

        Raises:
            RangeError: The response is a part of a file of unknown size.
            SizeError: The size differs from the declared one.
        """
        if offset and size is None:
            size = self.size
        if size is None and end is not None:
            raise RangeError(
                f"the source sent a part up to position {end} of a file of unknown size"
            )
        if size is not None and self.declared_size not in (None, size):
            raise SizeError(
                f"the source has {size} bytes, but file:size declares {self.declared_size}"
            )
        self.validator, self.size = validator, size
        known = size if size is not None else self.declared_size
        self.end = end if end is not None else _UNKNOWN_END if known is None else known

    def check_room(self, count: int) -> None:
        """Check that the current response may send further bytes.

        Args:
            count: Number of bytes.

        Raises:
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """
        if count <= self.room:
            return
        if self.size is None:
            raise SizeError(
                f"the source has more than the {self.declared_size} bytes that file:size declares"
            )
        raise RangeError(f"the source sent more bytes than announced, beyond position {self.end}")

    def check_complete(self) -> None:
        """Check that all bytes were received.

        Raises:
            TruncatedError: Bytes are missing.
            SizeError: The size differs from the declared one.
        """
        if self.size is not None and self.offset != self.size:
            raise TruncatedError(f"received {self.offset} of {self.size} bytes")
        if self.declared_size not in (None, self.offset):
            raise SizeError(
                f"the source has {self.offset} bytes, but file:size declares {self.declared_size}"
            )


def check_checksum(declared: Multihash | None, found: Multihash | None) -> None:
    """Compare the checksum of a file with the declared one, if both are known.

    Args:
        declared: The checksum that the item declares.
        found: A checksum of the file, with the same algorithm.

    Raises:
        ChecksumError: The checksums differ.
    """
    if declared is not None and found is not None and not declared.agrees(found):
        raise ChecksumError(
            f"the source has the checksum {found}, but file:checksum declares {declared}"
        )


class StatefulUpload(ABC):
    """Base class of uploads that keep an `UploadState`. Implements the properties of `Upload`."""

    _state: UploadState

    accepts_ranges: bool = True
    """Whether byte ranges may arrive in any order, after `split`."""

    accepts_pipes: bool = False
    """Whether `write` and `put` also accept `PipedBytes`."""

    version: str | None = None
    """The version of the complete file after `commit`, if known."""

    @property
    def copy_target(self) -> CopyTarget | None:
        """None, because the destination does not copy objects."""
        return None

    async def copy(self, source: StoredSource) -> StoreCopy | None:
        """Return None, because the destination does not copy objects.

        Args:
            source: The object.
        """
        return None

    async def begin(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Accept a response, or reject a response that does not continue the received bytes.

        Args:
            offset: Position of the first byte of the response. 0 discards the received bytes.
            validator: The identifier of this version at the source, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after the last byte of the response, if it is only a part of the file.

        Raises:
            RangeError: The response does not continue the received bytes.
            SizeError: The size differs from the declared one.
        """
        try:
            self._state.check_continues(offset, validator, size)
        except RangeError:
            await self.restart()
            raise
        if not offset and self._state.offset:
            await self.restart()
        self._state.accept(offset, validator, size, end)

    @abstractmethod
    async def restart(self) -> None:
        """Discard the received bytes."""

    @property
    def offset(self) -> int:
        """Number of received bytes."""
        return self._state.offset

    @property
    def validator(self) -> str | None:
        """The identifier of the version of the received bytes at the source."""
        return self._state.validator

    @property
    def missing(self) -> MissingRanges | None:
        """Missing byte ranges, if the file arrives in several ranges."""
        return self._state.missing

    @property
    def size(self) -> int | None:
        """Size of the complete file in bytes, if reported by the source."""
        return self._state.size

    @property
    def room(self) -> int:
        """Number of bytes that the current response may still send."""
        return self._state.room

    @property
    def stopped_short(self) -> bool:
        """Whether the response ended before the end of the file, and more can be requested."""
        return self._state.stopped_short
