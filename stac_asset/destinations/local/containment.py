"""Keeps files inside of a directory, symlinks followed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

from stac_asset.errors import DestinationError, UnsafePathError

_REMEMBERED = 1.0
"""Seconds for which a folder that was inside counts as inside."""

_MOST = 1024
"""Folders that are remembered at a time."""


class Fence:
    """A directory that no file may leave.

    Following the symlinks of a path costs a call to the system for each of its parts, and most
    files of a run share their folders; so what was found of a folder is remembered for a moment.

    Args:
        directory: The directory.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = os.fspath(directory)
        self._inside: dict[str, float] = {}
        self._root, self._looked = "", -_REMEMBERED

    def check(self, path: str) -> None:
        """Checks that a file lies in the directory.

        Args:
            path: The file, which need not exist.

        Raises:
            UnsafePathError: It does not.
            DestinationError: There is a directory of that name.
        """
        parent, name = os.path.split(path)
        now = time.monotonic()
        if now - self._inside.get(parent, -_REMEMBERED) >= _REMEMBERED:
            if now - self._looked >= _REMEMBERED:
                self._root, self._looked = os.path.realpath(self.directory), now
            root, real = self._root, os.path.realpath(parent)
            if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
                raise UnsafePathError(
                    f"the file {path} would lie outside of the directory {self.directory}"
                )
            if len(self._inside) >= _MOST:
                self._inside.clear()
            self._inside[parent] = now
        if name in ("", ".", ".."):
            raise UnsafePathError(f"the path {path} names no file")
        if os.path.isdir(path):
            raise DestinationError(f"cannot write {path}: there is a directory of that name")


class Writing:
    """A context manager inside of which a file is written; it can be used again and again.

    Args:
        path: The file, as it was asked for.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is to be prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, DestinationError):
            reason = error.strerror or type(error).__name__
            raise DestinationError(f"cannot write {self._path}: {reason}") from error
        if isinstance(error, ValueError) and not isinstance(error, UnsafePathError):
            raise UnsafePathError(f"the path {self._path!r} cannot name a file") from error
