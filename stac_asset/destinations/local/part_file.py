"""A part file: holds the received bytes of a file until the file is complete.

Local uploads and the writers of documents use `PartFile`. The part file is in the folder of its
file. Only a complete file gets the final name, by a rename after a sync. Until then, the previous
file stays.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Self

from stac_asset.destinations.local.containment import ContainedDirectory, Folder
from stac_asset.destinations.local.lock import close_locked, open_locked
from stac_asset.destinations.local.lock_file import LockFile
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.local.resume_note import ResumeNote, ResumeNoteFile
from stac_asset.destinations.part_names import part_names
from stac_asset.errors import DestinationError
from stac_asset.pipes import Chunk, PipedBytes


class PartFile:
    """An open and locked part file, which is a context manager. `PartFile.open` creates it."""

    path: str
    """The absolute path of the file, for messages."""

    fd: int
    """The descriptor of the part file."""

    length: int
    """Size of the part file in bytes, if the bytes were written in order."""

    replaces: bool
    """Whether the file existed when the part file was opened and locked."""

    note: ResumeNoteFile
    """The resume note. The part file is kept after the context only if the note was written."""

    def __init__(
        self,
        path: str,
        directory: ContainedDirectory,
        folder: Folder,
        names: tuple[str, str, str],
        fd: int,
        length: int,
        replaces: bool,
        lock_file: LockFile | None = None,
        fsync: bool = True,
    ) -> None:
        self.path = path
        self.fd, self.length, self.replaces = fd, length, replaces
        self._directory, self._folder = directory, folder
        self._lock_file = lock_file
        self._fsync = fsync
        self._name, self._part, note = names
        self.note = ResumeNoteFile(note, folder.fd)
        self._ended = False

    @classmethod
    def open(
        cls, directory: ContainedDirectory, key: str, wait: bool = False, fsync: bool = True
    ) -> Self:
        """Open the part file of a file. The part file may contain bytes of an earlier run.

        Args:
            directory: The directory that must contain the file.
            key: The relative name of the file.
            wait: Whether to block while another writer has the part file open.
            fsync: Whether `commit` syncs the part file.

        Raises:
            BusyError: Another writer has the part file open, and `wait` is False.
            UnsafePathError: The folder of the file is outside of the directory.
            DestinationError: The part file cannot be opened.
        """
        path, name = directory.path_of(key), key.rpartition(os.sep)[2]
        with map_os_errors(path):
            folder = directory.open_folder(key, make=True)
            part, note = part_names(name)
            fd, length, lock_file = open_locked(part, folder.fd, wait)
            try:
                # Look for the file under the lock: no other writer can complete the file then.
                replaces = check_not_folder(path, name, folder)
            except BaseException:
                if not length:
                    os.unlink(part, dir_fd=folder.fd)
                close_locked(fd, lock_file)
                raise
        names = name, part, note
        return cls(path, directory, folder, names, fd, length, replaces, lock_file, fsync)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Without a note, no later run can resume. After a commit, another writer may use the name.
        if not self.note.written and not self._ended:
            self._unlink()
        self.note.close()
        close_locked(self.fd, self._lock_file)
        del self._folder  # Errors refer to ended uploads, and would keep the folder open.

    def append(self, data: bytes) -> None:
        """Write bytes at the end.

        Args:
            data: The bytes.

        Raises:
            DestinationError: The bytes cannot be written.
        """
        self.write_at(data, self.length)
        self.length += len(data)

    def write_at(self, data: Chunk, position: int) -> None:
        """Write bytes at a position.

        Args:
            data: The bytes.
            position: The position of the first byte.

        Raises:
            DestinationError: The bytes cannot be written.
        """
        with map_os_errors(self.path):
            if isinstance(data, PipedBytes):
                data.move_to(self.fd, position)
                return
            size = len(data)
            written = os.pwrite(self.fd, data, position)
            while written < size:
                written += os.pwrite(self.fd, memoryview(data)[written:], position + written)

    def head(self, size: int) -> bytes:
        """Return the first bytes.

        Args:
            size: Maximum number of bytes.

        Raises:
            DestinationError: The bytes cannot be read.
        """
        with map_os_errors(self.path):
            return os.pread(self.fd, size, 0)

    def truncate(self, size: int = 0) -> None:
        """Remove the bytes from a position on.

        Args:
            size: The position. With 0, the resume note is removed as well.

        Raises:
            DestinationError: The file cannot be truncated.
        """
        with map_os_errors(self.path):
            os.ftruncate(self.fd, size)
            self.length = size
            if not size:
                self.note.remove()

    def write_note(self, note: ResumeNote) -> None:
        """Write the resume note, so that a later run can resume.

        Args:
            note: The note.

        Raises:
            DestinationError: The note cannot be written.
        """
        with map_os_errors(self.path):
            self.note.write(note)

    def commit(self) -> None:
        """Sync the part file unless syncs are off, and give the part file its final name.

        Raises:
            DestinationError: The part file cannot be synced or renamed, or its folder was moved.
            UnsafePathError: The folder was replaced by a symlink that leads outside.
        """
        with map_os_errors(self.path):
            if self._fsync:
                os.fsync(self.fd)
            if self._lost_lock():
                raise DestinationError(
                    f"cannot complete {self.path}: another run took over the part file, because "
                    "this run did not respond for two minutes. Run the download again."
                )
            self._directory.check_still_there(self._folder)
            folder = self._folder.fd
            os.replace(self._part, self._name, src_dir_fd=folder, dst_dir_fd=folder)
            self._ended = True
            if self.note.written:
                self.note.remove()

    def discard(self) -> None:
        """Remove the part file and the resume note."""
        self._unlink()
        self.note.remove()
        self._ended = True

    def _lost_lock(self) -> bool:
        return self._lock_file is not None and not self._lock_file.is_held()

    def _unlink(self) -> None:
        if self._lost_lock():
            return
        with suppress(FileNotFoundError):
            os.unlink(self._part, dir_fd=self._folder.fd)


def check_not_folder(path: str, name: str, folder: Folder) -> bool:
    """Check that no folder has the name of a file, and return whether the file exists.

    Args:
        path: The path of the file, for the message.
        name: The name of the file.
        folder: The open folder of the file.

    Raises:
        DestinationError: A folder has the name.
    """
    # Most files do not exist, and this call is faster than an exception.
    if not os.access(name, os.F_OK, dir_fd=folder.fd):
        return False
    try:
        found = os.stat(name, dir_fd=folder.fd)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise DestinationError(f"cannot write {path}: a folder has this name. Rename the folder.")
    return True
