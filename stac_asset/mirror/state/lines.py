"""Files of newline-delimited JSON in the state of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from stac_asset.destinations.local.documents import new_file

_BLOCK = 1024 * 1024
"""Minimum number of bytes per write."""


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, without line breaks.

    The file is not read as a whole, because an index of 100,000 items has 50 MB.

    Args:
        path: The file, which need not exist. The lines end at a line that cannot be read.
    """
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            yield line.rstrip(b"\r\n")


def write_lines(path: Path, directory: Path, lines: Iterable[bytes]) -> None:
    """Replace a file as a whole.

    Args:
        path: The absolute path of the file.
        directory: The mirror directory, which must contain the file.
        lines: The lines, without line breaks.

    Raises:
        DestinationError: The file cannot be written.
    """
    with new_file(path, directory, wait=True) as file:
        block, size = list[bytes](), 0
        for line in lines:
            block += (line, b"\n")
            size += len(line) + 1
            if size >= _BLOCK:
                file.append(b"".join(block))
                block, size = [], 0
        file.append(b"".join(block))
        file.commit()
