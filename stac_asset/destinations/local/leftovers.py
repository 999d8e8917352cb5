"""Internal: finds and removes part files, resume notes and lock files of interrupted runs."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import suppress

from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.listing import listed_files
from stac_asset.destinations.local.lock import remove_unlocked
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.part_names import is_part_name, lock_name, part_of
from stac_asset.destinations.values import BusyError, Leftover

_STALE_LOCK = 120.0
"""Age in seconds from which a lock file counts as left behind. Holders renew lock files."""


def list_leftovers(directory: ContainedDirectory) -> list[Leftover]:
    """Return the leftovers of a directory. A part file, note and lock file count once.

    Args:
        directory: The directory.
    """
    found: defaultdict[str, dict[str, os.stat_result]] = defaultdict(dict)
    for key, facts in listed_files(directory.path):
        folder, slash, name = key.rpartition("/")
        if is_part_name(name):
            found[f"{folder}{slash}{part_of(name)}"][key] = facts
    now = time.time()
    return [
        Leftover(
            location=directory.path_of(part),
            age=max(0.0, now - max(one.st_mtime for one in files.values())),
            size=sum(one.st_size for one in files.values()),
            keys=(part, *(key for key in files if key != part)),
        )
        for part, files in sorted(found.items())
    ]


def remove_leftover(leftover: Leftover, directory: ContainedDirectory) -> bool:
    """Remove a leftover of a directory, unless a run has the part file open.

    Args:
        leftover: The leftover.
        directory: The directory.

    Raises:
        UnsafePathError: The leftover is outside of the directory.
        DestinationError: A file cannot be removed.
    """
    key = leftover.keys[0]
    with map_os_errors(directory.path_of(key)), suppress(FileNotFoundError):
        folder, name = directory.open_folder(key), os.path.basename(key)
        try:
            remove_unlocked(name, f"{name}.json", folder.fd)
        except BusyError:
            return False
        lock = lock_name(name)
        with suppress(FileNotFoundError):
            if time.time() - os.stat(lock, dir_fd=folder.fd).st_mtime > _STALE_LOCK:
                os.unlink(lock, dir_fd=folder.fd)
    return True
