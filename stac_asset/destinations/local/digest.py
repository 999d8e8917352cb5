"""The digest of a file that grows: it follows the bytes that are there, block by block."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stac_asset.integrity import Multihash, new_hash

_BLOCK = 1024 * 1024
_STRIDE = 32 * _BLOCK
"""Bytes of one call, after which whoever waits for a thread can be let go."""


class FollowingDigest:
    """A digest of the beginning of a file.

    Bytes that are given to `update` are hashed at once, others are read from the file by `follow`,
    which may run in a thread while more of them arrive.

    Args:
        fd: The open file.
        expected: The multihash to verify against; without one the digest is SHA2-256.
    """

    position: int
    """How many bytes are in it."""

    def __init__(self, fd: int, expected: Multihash | None) -> None:
        self._fd = fd
        self._code, self._hash = new_hash(expected)
        self.position = 0

    def update(self, data: memoryview) -> None:
        """Takes the next bytes.

        Args:
            data: What follows on `position`.
        """
        self._hash.update(data)
        self.position += len(data)

    def follow(self, end: int) -> None:
        """Reads on in the file, some megabytes at most.

        Args:
            end: Where to stop.
        """
        end = min(end, self.position + _STRIDE)
        while self.position < end:
            block = os.pread(self._fd, min(_BLOCK, end - self.position), self.position)
            if not block:
                raise OSError("the part file has become shorter")
            self._hash.update(block)
            self.position += len(block)

    def multihash(self) -> Multihash:
        """Returns the digest of the bytes that are in it."""
        return Multihash(self._code, self._hash.digest())


_BLOCK = 1024 * 1024


def file_digest(
    path: Path, expected: Multihash, stopped: Callable[[], bool] = lambda: False
) -> bytes:
    """Returns the digest of a file, by the algorithm of a multihash.

    Args:
        path: The file, which is read block by block.
        expected: The multihash that it is to be compared with.
        stopped: Asked between blocks whether nobody wants to know any more.
    """
    _, running = new_hash(expected)
    with path.open("rb") as file:
        while not stopped() and (block := file.read(_BLOCK)):
            running.update(block)
    return running.digest()
