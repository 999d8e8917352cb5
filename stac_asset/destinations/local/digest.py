"""Digests of complete files, and of part files during a download."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stac_asset.integrity import Multihash, new_hash

_BLOCK = 1024 * 1024
_MAX_FOLLOWED = 32 * _BLOCK
"""Maximum number of bytes that a call of `follow` reads, so that the call ends soon."""


class FollowingDigest:
    """The digest of the received prefix of a part file.

    `update` hashes bytes while they are written. `follow` reads other bytes from the file, and may
    run in a thread while more bytes arrive.

    Args:
        fd: The descriptor of the part file.
        expected: The multihash whose algorithm is used. Default: SHA2-256.
    """

    position: int
    """Number of hashed bytes."""

    def __init__(self, fd: int, expected: Multihash | None) -> None:
        self._fd = fd
        self._code, self._hash = new_hash(expected)
        self.position = 0

    def update(self, data: memoryview) -> None:
        """Hash the next bytes.

        Args:
            data: The bytes at `position`.
        """
        self._hash.update(data)
        self.position += len(data)

    def follow(self, end: int) -> None:
        """Read and hash the next bytes of the file, up to 32 MiB.

        Args:
            end: The position to stop at.

        Raises:
            OSError: The file is shorter, or cannot be read.
        """
        end = min(end, self.position + _MAX_FOLLOWED)
        while self.position < end:
            block = os.pread(self._fd, min(_BLOCK, end - self.position), self.position)
            if not block:
                raise OSError("the part file was shortened during the download")
            self._hash.update(block)
            self.position += len(block)

    def multihash(self) -> Multihash:
        """Return the multihash of the hashed bytes."""
        return Multihash(self._code, self._hash.digest())


def file_digest(
    path: Path | int, expected: Multihash, stopped: Callable[[], bool] = lambda: False
) -> bytes:
    """Return the digest of a file.

    Args:
        path: The path of the file, or its descriptor, which is closed.
        expected: The multihash whose algorithm is used.
        stopped: Called between blocks. If the result is True, the digest is incomplete.
    """
    _, running = new_hash(expected)
    with open(path, "rb") as file:
        while not stopped() and (block := file.read(_BLOCK)):
            running.update(block)
    return running.digest()
