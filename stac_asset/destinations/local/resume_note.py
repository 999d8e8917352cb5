"""The resume note beside a part file: the source, the version, and the missing byte ranges.

A note is written in place by one system call. After a kill, the file therefore contains the old or
the new note. An invalid note is ignored.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stac_asset.destinations.missing_ranges import MissingRanges


@dataclass(frozen=True, slots=True)
class ResumeNote:
    """The facts that a later upload needs to resume a part file."""

    source: str
    """Digest of the source's identity."""

    validator: str
    """The identifier of the version of the received bytes at the source."""

    size: int | None
    """Size of the complete file in bytes, if reported by the source."""

    missing: MissingRanges | None = None
    """Missing byte ranges, if the file arrives in several ranges."""

    @classmethod
    def parse(cls, data: bytes) -> ResumeNote | None:
        """Return the note that a file contains, or None if the content is invalid.

        Args:
            data: The content of a note file, from any writer.
        """
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            fields = json.loads(data)
            source, validator, size = fields["source"], fields["validator"], fields["size"]
            missing = None
            if fields.get("missing") is not None:
                missing = MissingRanges.parse(size, fields["missing"])
            is_valid = isinstance(source, str) and isinstance(validator, str)
            if is_valid and isinstance(size, int | None):
                return cls(source, validator, size, missing)
        return None

    def to_bytes(self) -> bytes:
        """Return the note as JSON."""
        fields: dict[str, Any] = {
            "source": self.source,
            "validator": self.validator,
            "size": self.size,
        }
        if self.missing is not None:
            fields["missing"] = self.missing.spans()
        return json.dumps(fields, separators=(",", ":")).encode()


class ResumeNoteFile:
    """The file of a resume note.

    Args:
        name: The name of the file.
        folder: The descriptor of its folder, which must stay open while this object is used.
    """

    written: bool = False
    """Whether the file exists and belongs to the part file."""

    def __init__(self, name: str, folder: int) -> None:
        self._name = name
        self._folder = folder
        self._fd: int | None = None
        self._length = 0

    def read(self) -> ResumeNote | None:
        """Return the note in the file, or None if the file is missing or invalid."""
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = os.open(self._name, flags, dir_fd=self._folder)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            with open(fd, "rb", closefd=False) as file:
                return ResumeNote.parse(file.read())
        except OSError:
            return None
        finally:
            os.close(fd)

    def write(self, note: ResumeNote) -> None:
        """Write or replace the note.

        Args:
            note: The note.
        """
        data = note.to_bytes()
        if self._fd is None:
            self._unlink()  # The name may be a symlink.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._name, flags, 0o666, dir_fd=self._folder)
        # Spaces overwrite the end of a longer earlier note. JSON ignores these spaces.
        self._length = max(self._length, len(data))
        os.pwrite(self._fd, data.ljust(self._length), 0)
        self.written = True

    def remove(self) -> None:
        """Remove the file, if any."""
        self.close()
        # Most part files have no note, and this call is faster than an exception. A symlink without
        # a target may stay: `read` ignores symlinks, and `write` replaces them.
        if os.access(self._name, os.F_OK, dir_fd=self._folder):
            self._unlink()
        self.written = False

    def _unlink(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)

    def close(self) -> None:
        """Close the file without removing the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._length = 0
