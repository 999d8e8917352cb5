"""Containment: opens the folders of a directory without leaving the directory.

The local destination and mirrors use this module. The directory is opened once. Every folder below
is opened relative to the descriptor of its parent, without following symlinks. A folder that is
replaced by a symlink during a run therefore cannot lead outside. A symlink to a folder inside of
the directory is resolved, and the folder is opened by its own path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakValueDictionary

from stac_asset.errors import DestinationError, UnsafePathError

# O_PATH, which only Linux has, needs no permission to list the folder.
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_MAX_SYMLINKS = 40
_NO_FILE_ENDS = (os.sep, ".")
"""The ends of paths that may name no file."""


class Folder:
    """An open folder of a contained directory. The descriptor is closed with the object.

    Args:
        fd: The descriptor of the folder.
        key: The key of the folder, with symlinks not resolved. Empty for the directory itself.
    """

    __slots__ = ("__weakref__", "_device", "_inode", "fd", "key")

    def __init__(self, fd: int, key: str) -> None:
        self.fd = fd
        self.key = key
        found = os.fstat(fd)
        self._inode, self._device = found.st_ino, found.st_dev

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        _close(self.fd)

    def matches(self, found: os.stat_result) -> bool:
        """Return whether a stat result is of this folder.

        Args:
            found: The stat result.
        """
        return found.st_ino == self._inode and found.st_dev == self._device

    def is_same(self, other: Folder) -> bool:
        """Return whether both objects refer to the same folder."""
        return (other._inode, other._device) == (self._inode, self._device)


class ContainedDirectory:
    """A directory with all folders and files below.

    Args:
        path: Path of the directory, which does not need to exist. It may be a symlink itself.
        make: Whether `open_folder` may create the directory. Folders below may always be created.
    """

    path: str
    """The absolute path of the directory."""

    def __init__(self, path: str | os.PathLike[str], make: bool = True) -> None:
        self.path = os.path.abspath(path)
        self._make = make
        self._prefix = self.path.rstrip(os.sep) + os.sep
        self._root: Folder | None = None
        self._recent: Folder | None = None
        self._open: WeakValueDictionary[str, Folder] = WeakValueDictionary()
        self._real = ""

    def close(self) -> None:
        """Close the directory and its last folder, which the next call opens again."""
        self._root = self._recent = None

    def key_of(self, path: str | os.PathLike[str]) -> str:
        """Return the relative name of a file.

        Args:
            path: The absolute path of the file.

        Raises:
            UnsafePathError: The path is outside of the directory, or names no file.
        """
        text = os.fspath(path)
        key = text.removeprefix(self._prefix)
        if len(key) == len(text) or (".." in key and _leads_up(key)):
            raise UnsafePathError(
                f"the file {text} is outside of the directory {self.path}. "
                "Choose a path inside of the directory."
            )
        if not key or (key.endswith(_NO_FILE_ENDS) and key.rpartition(os.sep)[2] in ("", ".")):
            raise UnsafePathError(f"the path {text} does not name a file. Append a file name.")
        return key

    def path_of(self, key: str) -> str:
        """Return the absolute path of a file.

        Args:
            key: The relative name of the file.

        Raises:
            UnsafePathError: The name leads outside of the directory.
        """
        self._check_key(key)
        return self._prefix + key

    def _check_key(self, key: str) -> None:
        if key.startswith(os.sep) or (".." in key and _leads_up(key)):
            raise UnsafePathError(
                f"the file name {key!r} leads outside of the directory {self.path}. "
                "Use a relative name without '..'."
            )

    def open_folder(self, key: str, make: bool = False) -> Folder:
        """Return the folder of a file.

        The descriptors of the last folder, and of folders in use, are shared while their paths
        lead to them.

        Args:
            key: The relative name of the file.
            make: Whether missing folders are created.

        Raises:
            UnsafePathError: The name, or a symlink on the way, leads outside of the directory.
            FileNotFoundError: The folder does not exist.
            OSError: The folder cannot be opened or created.
        """
        self._check_key(key)
        parent = key.rpartition(os.sep)[0]
        if not parent:
            return self._open_root(make)
        folder = self._recent
        if folder is None or folder.key != parent:
            folder = self._open.get(parent)
        if folder is None or not self._leads_to(folder):
            folder = self._open[parent] = self._walk(parent, make)
        self._recent = folder
        return folder

    def check_still_there(self, folder: Folder) -> None:
        """Check that the path of an open folder still leads to the same folder.

        Args:
            folder: The open folder.

        Raises:
            DestinationError: The folder or the directory was moved, replaced or removed.
            UnsafePathError: The folder was replaced by a symlink that leads outside.
        """
        if self._leads_to(folder):
            return
        with suppress(OSError):
            # A symlink inside of the directory may lead to the folder.
            if folder.key and self._walk(folder.key, make=False).is_same(folder):
                return
        raise DestinationError(
            f"the folder {self.path_of(folder.key)} was moved or replaced during the download. "
            "Run the download again."
        )

    def _leads_to(self, folder: Folder) -> bool:
        """Return whether the path of a folder leads to the folder without symlinks.

        The path of the directory itself may contain symlinks.
        """
        key = folder.key
        try:
            if not key:
                return folder.matches(os.stat(self.path))
            above = key.find(os.sep)
            while above >= 0:
                if stat.S_ISLNK(os.lstat(self._prefix + key[:above]).st_mode):
                    return False
                above = key.find(os.sep, above + 1)
            return folder.matches(os.lstat(self._prefix + key))  # A symlink is another file.
        except OSError:
            return False

    def _open_root(self, make: bool) -> Folder:
        if self._root is None or not self._leads_to(self._root):
            if make and self._make:
                os.makedirs(self.path, exist_ok=True)
            self._root = Folder(os.open(self.path, _FOLDER), "")
            self._real = os.path.realpath(self.path)
        return self._root

    def _walk(self, key: str, make: bool) -> Folder:
        """Open the folder with this key."""
        root = self._open_root(make)
        parts = [part for part in key.split(os.sep) if part not in ("", ".")]
        for _ in range(_MAX_SYMLINKS):
            folder = root
            for depth, name in enumerate(parts):
                try:
                    folder = Folder(_open_child(folder.fd, name, make), key)
                except _SymlinkError:
                    parts = self._resolved(parts[: depth + 1]) + parts[depth + 1 :]
                    break
            else:
                return folder if folder is not root else Folder(os.dup(root.fd), key)
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


def _leads_up(key: str) -> bool:
    return ".." in key.split(os.sep)


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
