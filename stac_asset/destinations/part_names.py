"""The names of part files, resume notes and lock files. Other modules get these names from here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

_MAX_NAME = 255
"""Maximum length of a file name in bytes."""

_ALWAYS_FITS = _MAX_NAME // 8
"""Number of characters that fit into a file name in any encoding."""

_PATTERN = re.compile(r"\..*\.part(\.json|\.lock)?", re.IGNORECASE)

_EXTRA_MARK = re.compile(r"\.[0-9a-f]{8}$")
"""The mark in the name of `extra_note_name`."""


def part_names(name: str) -> tuple[str, str]:
    """Return the names of the part file and the resume note of a file.

    Args:
        name: The name of the file, without its folder.
    """
    if len(name) > _ALWAYS_FITS and len(os.fsencode(name)) > _MAX_NAME - len("..part.json"):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    part = f".{name}.part"
    return part, f"{part}.json"


def part_paths(path: Path) -> tuple[Path, Path]:
    """Return the paths of the part file and the resume note of a file.

    Args:
        path: The path of the file.
    """
    part, note = part_names(path.name)
    return path.with_name(part), path.with_name(note)


def extra_note_name(name: str, mark: str) -> str:
    """Return the name of the resume note of a second upload of a file.

    Args:
        name: The name of the file, without its folder.
        mark: Eight hexadecimal digits that identify the upload.
    """
    return f"{_stem(part_names(name)[0])}.{mark}.part.json"


def short_name(name: str) -> str:
    """Return a digest for the names of other files, in place of a long name.

    Args:
        name: The name of the file, without its folder.
    """
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]


def lock_name(part: str) -> str:
    """Return the name of the lock file of a part file, for file systems without `flock`.

    Args:
        part: The name of the part file.
    """
    return f"{part}.lock"


def is_part_name(name: str) -> bool:
    """Return whether a name is that of a part file, a resume note or a lock file.

    Args:
        name: The name of a file, without its folder.
    """
    return _PATTERN.fullmatch(name) is not None


def part_of(name: str) -> str:
    """Return the name of the part file of a part file, a resume note or a lock file.

    Args:
        name: The name, for which `is_part_name` is True.
    """
    return re.sub(r"\.(json|lock)$", "", name, flags=re.IGNORECASE)


def is_part_of(name: str, files: Iterable[str]) -> bool:
    """Return whether a part file, a resume note or a lock file belongs to one of several files.

    Args:
        name: The name, for which `is_part_name` is True.
        files: The names of the files in the same folder.
    """
    stem = _stem(part_of(name))
    stems = {stem, _EXTRA_MARK.sub("", stem)}
    return any(
        not stems.isdisjoint((_stem(part_names(file)[0]), f".{short_name(file)}")) for file in files
    )


def _stem(part: str) -> str:
    """Return the name of a part file without `.part`."""
    return part[: -len(".part")]
