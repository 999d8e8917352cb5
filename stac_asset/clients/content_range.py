"""Byte range of a response, according to the `Content-Range` header and the body length.

The HTTP and S3 clients use `Extent` to find out which bytes of a file a response body contains.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from stac_asset.errors import RangeError

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Extent(NamedTuple):
    """The bytes of a file that a response body contains."""

    offset: int
    """Position of the first byte of the body in the file."""

    end: int | None
    """Position after the last byte of a partial body. Not set for a whole file."""

    size: int | None
    """Size of the whole file in bytes, if known."""

    @classmethod
    def whole(cls, length: int | None) -> Extent:
        """Return the extent of a response with a whole file.

        Args:
            length: Length of the body in bytes, if known.
        """
        return cls(0, None, length)

    @classmethod
    def part(cls, content_range: str, length: int | None, shown: str) -> Extent:
        """Return the extent of a response with a part of a file.

        Args:
            content_range: Value of the `Content-Range` header; empty if the header is missing.
            length: Length of the body in bytes, if known.
            shown: The redacted href, for error messages.

        Raises:
            RangeError: The header is missing or invalid, or contradicts the length of the body.
        """
        match = _CONTENT_RANGE.fullmatch(content_range)
        if match is None:
            raise RangeError(
                f"{shown}: the server sent a part of the file without a valid Content-Range header"
            )
        offset, end = int(match[1]), int(match[2]) + 1
        size = int(match[3]) if match[3] != "*" else None
        # Some servers answer an out-of-range request with an empty range (offset equal to end).
        if offset > end or (size is not None and end > size):
            raise RangeError(f"{shown}: the server sent the invalid range '{content_range}'")
        if length is not None and length != end - offset:
            raise RangeError(
                f"{shown}: the server sent {length} bytes for a range of {end - offset} bytes"
            )
        return cls(offset, end, size)
