"""Says which bytes of a file an answer holds, by its `Content-Range` and its length."""

from __future__ import annotations

import re
from typing import NamedTuple

from stac_asset.errors import RangeError

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Extent(NamedTuple):
    """The bytes of a file that an answer holds."""

    offset: int
    """The position of the first of them."""

    end: int | None
    """The first position after them, where the answer says that it is only a part; else None."""

    size: int | None
    """Bytes of the whole file, if they are known."""

    @classmethod
    def whole(cls, length: int | None) -> Extent:
        """Returns that of an answer with a whole file.

        Args:
            length: Its bytes, if they are known.
        """
        return cls(0, None, length)

    @classmethod
    def part(cls, said: str, length: int | None, shown: str) -> Extent:
        """Returns that of an answer with a part of a file.

        Args:
            said: Its `Content-Range`, or nothing.
            length: The bytes of its body, if they are known.
            shown: The href, as it may be shown.

        Raises:
            RangeError: It does not name the part, or has a body of another length.
        """
        match = _CONTENT_RANGE.fullmatch(said)
        if match is None:
            raise RangeError(f"{shown} sent a part and does not say which")
        offset, end = int(match[1]), int(match[2]) + 1
        size = int(match[3]) if match[3] != "*" else None
        # Some say of what lies past the end that it is a part of no bytes.
        if offset > end or (size is not None and end > size):
            raise RangeError(f"{shown} sent a part that no file can have: {said}")
        if length is not None and length != end - offset:
            raise RangeError(f"{shown} sent {length} bytes as a part of {end - offset}")
        return cls(offset, end, size)
