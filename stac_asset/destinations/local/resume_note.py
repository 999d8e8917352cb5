"""The note beside a part file: what it is part of, and where there are gaps in it.

It is written in place, by one call to the system each time, so that a kill leaves the one text or
the other; what is no whole note counts as none.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stac_asset.destinations.local.missing_ranges import Pieces


@dataclass(frozen=True, slots=True)
class Note:
    """What a note says."""

    source: str
    """The digest of what the bytes come from."""

    validator: str | None
    """What the source called the version that these bytes are of."""

    size: int | None
    """Bytes of the whole file, if the source said."""

    pieces: Pieces | None = None
    """What is missing of a file that arrives in pieces; None where one byte follows the other."""


def read_note(path: str) -> Note | None:
    """Returns what a note says, or None if there is none that can be used.

    Args:
        path: Where it is.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        with open(path, "rb") as file:
            said = json.load(file)
        source, validator, size = said["source"], said["validator"], said["size"]
        pieces = None
        if said.get("missing") is not None:
            pieces = Pieces.parse(size, said["missing"])
        if isinstance(source, str) and isinstance(validator, str):
            return Note(source, validator, size, pieces)
    return None


class NoteFile:
    """The note of a part file that is being written.

    Args:
        path: Where it goes.
    """

    written: bool = False
    """Whether there is one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None
        self._length = 0

    def write(self, note: Note) -> None:
        """Writes the note, or writes over it.

        Args:
            note: What it says from now on.
        """
        said: dict[str, Any] = {
            "source": note.source,
            "validator": note.validator,
            "size": note.size,
        }
        if note.pieces is not None:
            said["missing"] = note.pieces.spans()
        data = json.dumps(said, separators=(",", ":")).encode()
        if self._fd is None:
            self.remove()  # It may be a symlink to elsewhere.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o666)
        self._length = max(self._length, len(data))
        os.pwrite(self._fd, data.ljust(self._length), 0)
        self.written = True

    def remove(self) -> None:
        """Removes it, if it is there."""
        self.close()
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        self.written = False

    def close(self) -> None:
        """Leaves it as it is."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._length = 0
