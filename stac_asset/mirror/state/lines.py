"""Files of newline-delimited JSON in the state of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_BLOCK = 1024 * 1024
"""Minimum number of bytes of a block."""


def blocks_of_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a file of lines in blocks.

    Args:
        lines: The lines, without line breaks.
    """
    block, size = list[bytes](), 0
    for line in lines:
        block += (line, b"\n")
        size += len(line) + 1
        if size >= _BLOCK:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
