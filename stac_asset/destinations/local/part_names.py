"""TODO."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_NAME_MAX = 255


_SURE_TO_FIT = _NAME_MAX // 8
"""Characters that fit into a name in any encoding, with what is put around them."""


def part_paths(path: Path) -> tuple[Path, Path]:
    """Returns the part file of a file, and the note beside it.

    Args:
        path: The final path.
    """
    part, note = beside(os.fspath(path))
    return Path(part), Path(note)


def beside(path: str) -> tuple[str, str]:
    """Returns the same as `part_paths`, as text.

    Args:
        path: The final path.
    """
    folder, name = os.path.split(path)
    if len(name) > _SURE_TO_FIT and len(os.fsencode(name)) > _NAME_MAX - len("..part.json"):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    part = os.path.join(folder, f".{name}.part")
    return part, f"{part}.json"
