"""Internal: lists the files of a local directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress


def listed_files(directory: str, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield the keys of the regular files in a directory, with the facts of each file.

    Symlinks are not followed. Folders that cannot be read are skipped.

    Args:
        directory: The absolute path of the directory, which need not exist.
        prefix: Start of the keys.
    """
    for parent, folders, names in os.walk(directory):
        base = "" if parent == directory else f"{os.path.relpath(parent, directory)}/"
        folders[:] = sorted(name for name in folders if _may_contain(f"{base}{name}/", prefix))
        for name in sorted(names):
            key = f"{base}{name}"
            if key.startswith(prefix):
                with suppress(FileNotFoundError):
                    found = os.lstat(os.path.join(parent, name))
                    if stat.S_ISREG(found.st_mode):
                        yield key, found


def _may_contain(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(folder)
