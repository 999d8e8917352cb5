"""A directory that no file can leave.

The directory is opened once. Every folder below it is opened relative to the descriptor of its
parent, without following symlinks. So a folder that is replaced by a symlink during a run cannot
lead outside. A symlink to a folder inside of the directory is resolved, and the folder is opened by
its own path.
"""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from stac_asset.errors import DestinationError, UnsafePathError

# With O_PATH, a folder can be opened without permission to list it. Only Linux has it.
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_MAX_SYMLINKS = 40


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder of a contained directory."""

    fd: int
    """The descriptor of the folder."""

    key: str
    """The key of the folder, with symlinks not resolved. Empty for the directory itself."""

    def is_same(self, other: Folder) -> bool:
        """Return whether two descriptors are of the same folder."""
        return os.path.samestat(os.fstat(self.fd), os.fstat(other.fd))


class ContainedDirectory:
    """A directory with all folders and files below.

    Args:
        path: Path of the directory, which does not need to exist. It may be a symlink itself.
        make: Whether `open_folder` may create the directory. It may always create folders below.
    """

    path: str
    """The absolute path of the directory."""

    def __init__(self, path: str | os.PathLike[str], make: bool = True) -> None:
        self.path = os.path.abspath(path)
        self._make = make
        self._root: int | None = None
        self._real = ""

    def key_of(self, path: str | os.PathLike[str]) -> str:
        """Return the relative name of a file.

        Args:
            path: The absolute path of the file.

        Raises:
            UnsafePathError: The path is outside of the directory, or names no file.
        """
        text = os.fspath(path)
        base = self.path.rstrip(os.sep) + os.sep
        key = text.removeprefix(base)
        parts = key.split(os.sep)
        if len(key) == len(text) or ".." in parts:
            raise UnsafePathError(f"the file {text} would be outside of the directory {self.path}")
        if parts[-1] in ("", "."):
            raise UnsafePathError(f"the path {text} does not name a file")
        return key

    def path_of(self, key: str) -> str:
        """Return the absolute path of a file, for messages and results.

        Args:
            key: The relative name of the file.
        """
        return os.path.join(self.path, key)

    @contextmanager
    def open_folder(self, key: str, make: bool = False) -> Iterator[Folder]:
        """Open the folder of a file.

        Args:
            key: The relative name of the file.
            make: Whether missing folders are created.

        Raises:
            UnsafePathError: The name, or a symlink on the way, leads outside of the directory.
            FileNotFoundError: The folder does not exist.
            OSError: The folder cannot be opened or created.
        """
        parent = os.path.dirname(key)
        if ".." in key.split(os.sep) or os.path.isabs(key):
            raise UnsafePathError(
                f"The file name {key!r} leads outside of the directory {self.path}: remove '..'."
            )
        fd = self._walk([part for part in parent.split(os.sep) if part not in ("", ".")], make)
        try:
            yield Folder(fd, parent)
        finally:
            os.close(fd)

    def check_still_there(self, folder: Folder) -> None:
        """Check that the path of an open folder still leads to the same folder.

        Args:
            folder: The open folder.

        Raises:
            DestinationError: The folder or the directory was moved, replaced or removed.
        """
        try:
            with self.open_folder(os.path.join(folder.key, "file")) as now:
                if now.is_same(folder) and self._is_still_there():
                    return
        except OSError:
            pass
        path = self.path_of(folder.key)
        raise DestinationError(
            f"the folder {path} was moved or replaced during the download. Run the download again."
        )

    def _is_still_there(self) -> bool:
        """Return whether the directory's path still leads to the directory that was opened."""
        return self._root is not None and os.path.samestat(os.stat(self.path), os.fstat(self._root))

    def _open_root(self, make: bool) -> int:
        was_removed = self._root is not None and not os.fstat(self._root).st_nlink
        if self._root is None or was_removed:
            if make and self._make:
                os.makedirs(self.path, exist_ok=True)
            self._root = os.open(self.path, _FOLDER)
            self._real = os.path.realpath(self.path)
            weakref.finalize(self, os.close, self._root)
        return self._root

    def _walk(self, parts: list[str], make: bool) -> int:
        """Return a new descriptor of the folder with these parts."""
        root = self._open_root(make)
        for _ in range(_MAX_SYMLINKS):
            fd = os.dup(root)
            for depth, name in enumerate(parts):
                try:
                    following = _open_child(fd, name, make)
                except _SymlinkError:
                    parts = self._resolved(parts[: depth + 1]) + parts[depth + 1 :]
                    break
                finally:
                    os.close(fd)
                fd = following
            else:
                return fd
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _resolved(self, parts: list[str]) -> list[str]:
        """Return the parts of the folder that a symlink leads to."""
        link = os.path.join(self._real, *parts)
        real = os.path.realpath(link)
        base = self._real.rstrip(os.sep) + os.sep
        if real == self._real:
            return []
        if not real.startswith(base):
            path = os.path.join(self.path, *parts)
            raise UnsafePathError(
                f"the folder {path} leads outside of the directory {self.path}. Remove the symlink."
            )
        return real.removeprefix(base).split(os.sep)


class _SymlinkError(Exception):
    """Raised if a folder is a symlink."""


def _open_child(parent: int, name: str, make: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_symlink(parent, name):
            raise _SymlinkError from None
        raise
    with suppress(FileExistsError):  # Another thread or process was faster.
        os.mkdir(name, dir_fd=parent)
    return _open_child(parent, name, make=False)


def _is_symlink(parent: int, name: str) -> bool:
    try:
        os.readlink(name, dir_fd=parent)
    except OSError:
        return False
    return True
