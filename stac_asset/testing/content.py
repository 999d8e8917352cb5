"""Deterministic bytes by path: any slice of any size, the same in every process.

A file is made of blocks of 64 KiB. Every block is one pseudo-random block of the path and the
version, turned by an amount that depends on the block's index, with the index mixed into its first
eight bytes. So bytes that belong to another path, to another version, or to another place in the
same file don't compare equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO

BLOCK = 65536
"""Size of a block in bytes."""

_TURN = 40503  # odd, so that 65,536 blocks (4 GiB) pass before a turn comes again
_STAMP = 8
_SMALLEST, _LARGEST = 1024, 65536


def content(
    path: str, size: int, start: int = 0, stop: int | None = None, version: int = 0
) -> bytes:
    """Returns bytes `start` to `stop` of the file at `path`.

    Args:
        path: The decoded path; a leading slash is added where it is missing.
        size: The size of the whole file, in bytes. It cuts the file off and changes no byte.
        start: The first byte wanted.
        stop: The byte after the last one wanted; None is the end of the file.
        version: Which version of the file.

    Returns:
        The bytes, fewer than asked for where the file ends before `stop`.

    Raises:
        ValueError: If `size` or `start` is negative.
    """
    if size < 0 or start < 0:
        raise ValueError(f"a file has no negative bytes: size {size}, start {start}")
    stop = size if stop is None else min(stop, size)
    if start >= stop:
        return b""
    doubled = _doubled(path if path.startswith("/") else f"/{path}", version)
    joined = BytesIO()  # half the memory of a join, and so several times as fast for large files
    for index in range(start // BLOCK, (stop - 1) // BLOCK + 1):
        first = index * BLOCK
        block = _block(doubled, index)
        joined.write(block[max(start - first, 0) : stop - first])
    return joined.getvalue()


def content_iter(
    path: str,
    size: int,
    start: int = 0,
    stop: int | None = None,
    version: int = 0,
    chunk: int = BLOCK,
) -> Iterator[bytes]:
    """Yields what `content` returns in pieces, so that a large file needs no memory.

    Args:
        path: The decoded path.
        size: The size of the whole file, in bytes.
        start: The first byte wanted.
        stop: The byte after the last one wanted; None is the end of the file.
        version: Which version of the file.
        chunk: The size of a piece in bytes; the last one may be smaller.

    Yields:
        The pieces, in order, none of them empty.
    """
    stop = size if stop is None else min(stop, size)
    for position in range(start, stop, chunk):
        yield content(path, size, position, min(position + chunk, stop), version)


def default_size(path: str) -> int:
    """Returns the size of a file that was given none: 1 KiB to 64 KiB, derived from its path."""
    path = path if path.startswith("/") else f"/{path}"
    drawn = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big")
    return _SMALLEST + drawn % (_LARGEST - _SMALLEST + 1)


@lru_cache(maxsize=64)
def _doubled(path: str, version: int) -> bytes:
    """Returns the block of a path and version twice in a row: every turn of it is one slice."""
    return hashlib.shake_128(f"{version}:{path}".encode()).digest(BLOCK) * 2


def _block(doubled: bytes, index: int) -> bytes:
    turn = index * _TURN % BLOCK
    drawn = int.from_bytes(doubled[turn : turn + _STAMP], "big")
    return (drawn ^ index).to_bytes(_STAMP, "big") + doubled[turn + _STAMP : turn + BLOCK]
