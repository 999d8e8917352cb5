"""Internal: check whether the files of a run fit on the disk, before the first request.

Only declared sizes count, from `file:size`. Bytes of existing files and part files are subtracted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from stac_asset.destinations.directories import existing_parent
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import DestinationError

_BLOCK = 512
"""Size in bytes of the blocks that `stat` counts."""


class PlannedFile(Protocol):
    """A file that a run writes, such as that of a transfer."""

    @property
    def path(self) -> str:
        """The absolute path."""

    @property
    def size(self) -> int | None:
        """The declared size in bytes, if there is one."""


def free_bytes(directory: Path) -> int:
    """Return the free bytes on the file system of a directory, which may not exist yet.

    Args:
        directory: The absolute path of the directory.
    """
    return shutil.disk_usage(existing_parent(directory)).free


def bytes_on_disk(path: str) -> int:
    """Return the size in bytes of a file and its part file.

    Args:
        path: The absolute path of the file.
    """
    part, _ = part_paths(Path(path))
    return _occupied(path) + _occupied(part)


def check_space(declared: int, files: Callable[[], Iterable[PlannedFile]], directory: Path) -> None:
    """Check that the files of a run fit on the disk.

    Args:
        declared: Total declared size of the files in bytes.
        files: Returns the files of the run. Called only if the total is larger than the free
            space.
        directory: The directory of the run.

    Raises:
        DestinationError: The files do not fit.
    """
    if not declared:
        return
    disk = shutil.disk_usage(existing_parent(directory))
    free = disk.free
    if declared <= free:
        return
    # A size larger than the disk is usually wrong. Such an asset fails without the others.
    sizes = {one.path: one.size for one in files() if one.size and one.size <= disk.total}
    needed = sum(max(0, size - bytes_on_disk(path)) for path, size in sizes.items())
    if needed > free:
        raise DestinationError(
            f"The files need {needed:,} more bytes, but only {free:,} bytes are free in directory "
            f"'{directory}'. Free disk space, select fewer assets, or set `check_free_space=False`."
        )


def _occupied(path: str | os.PathLike[str]) -> int:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0
    # Part files of parallel downloads have holes, which occupy no blocks.
    return min(found.st_size, found.st_blocks * _BLOCK)
