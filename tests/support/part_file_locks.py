"""Locks of part files, as held by another run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stac_asset.destinations.part_names import part_paths


@contextmanager
def hold_part_file_lock(path: Path) -> Iterator[Path]:
    """Create and lock the part file of a file, and yield the path of the part file."""
    part, _ = part_paths(path)
    fd = os.open(part, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield part
    finally:
        os.close(fd)
