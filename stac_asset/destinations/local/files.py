"""Internal: the complete files of a directory. `LocalDestination` derives from `LocalFiles`."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from pathlib import Path

from stac_asset.concurrency import in_thread
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.values import Declared, FileFacts, OmittedFile
from stac_asset.errors import UnsafePathError
from stac_asset.integrity import Multihash


class LocalFiles:
    """The complete files of a directory: verification and copies.

    Args:
        directory: The directory.
    """

    may_hold_pages = True
    """Earlier versions of this library stored web pages in place of assets."""

    def __init__(self, directory: ContainedDirectory) -> None:
        self.directory = directory
        self._real_root = ""

    async def omitted_files(self) -> list[OmittedFile]:
        """Return folders that cannot be listed, symlinks that lead outside, and special files."""
        return await in_thread(
            lambda: sorted(_omitted_files(self.directory), key=attrgetter("key"))
        )

    def real_key(self, location: str) -> str:
        """Return the key of the file that a path leads to, with all symlinks resolved.

        Args:
            location: The absolute path.

        Raises:
            UnsafePathError: The path leads outside of the directory, or names no file.
        """
        return _real_key(self.directory, location, self._root())

    def _root(self) -> str:
        """Return the path of the directory with all symlinks resolved."""
        if not self._real_root:
            self._real_root = os.path.realpath(self.directory.path)
        return self._real_root

    def _real_path(self, key: str) -> str:
        """Return the path of a file after a check of the symlinks.

        Raises:
            UnsafePathError: The key leads outside of the directory.
        """
        path = self.directory.path_of(key)
        with suppress(OSError):  # There is no such folder.
            self.directory.open_folder(key)
        if os.path.islink(path):
            return self.directory.path_of(_real_key(self.directory, path, self._root()))
        return path

    async def inspect(self, key: str, declared: Declared, read: bool = False) -> FileFacts | None:
        """Return the facts about a file for a verification. A missing file has no facts.

        A file with a declared checksum is always read.

        Args:
            key: The key.
            declared: The expected size and checksum. A file of another size is not read.
            read: Has no effect.

        Raises:
            UnsafePathError: The key leads outside of the directory.
        """
        path = self._real_path(key)
        stop = threading.Event()
        inspecting = asyncio.ensure_future(
            asyncio.to_thread(_inspect_file, path, declared, stop.is_set)
        )
        try:
            return await asyncio.shield(inspecting)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait({inspecting})
            raise

    @asynccontextmanager
    async def open_copy(self, key: str) -> AsyncIterator[Path]:
        """Return the path of the file of a key. The file is not copied.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the directory.
        """
        yield Path(self._real_path(key))


def _omitted_files(directory: ContainedDirectory) -> Iterator[OmittedFile]:
    def add(error: OSError) -> None:
        key = os.path.relpath(str(error.filename), directory.path)
        reason = error.strerror or "the folder cannot be read"
        folders.append(OmittedFile("" if key == os.curdir else key, reason, is_folder=True))

    folders: list[OmittedFile] = []
    for path, _, names in os.walk(directory.path, onerror=add):
        base = os.path.relpath(path, directory.path)
        for name in names:
            reason = _reason(directory, os.path.normpath(os.path.join(base, name)))
            if reason is not None:
                yield OmittedFile(os.path.normpath(os.path.join(base, name)), reason)
    yield from folders


def _reason(directory: ContainedDirectory, key: str) -> str | None:
    """Return why a listing leaves out an entry, unless the entry is readable or harmless."""
    path = directory.path_of(key)
    try:
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode):
            return None
        if stat.S_ISLNK(found.st_mode):
            _real_key(directory, path, os.path.realpath(directory.path))
            found = os.stat(path)
        return None if stat.S_ISREG(found.st_mode) else "the path is not a regular file"
    except UnsafePathError:
        return "the symlink leads outside of the directory"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"


def _real_key(directory: ContainedDirectory, path: str, root: str) -> str:
    try:
        real = os.path.realpath(path)
    except ValueError as error:
        raise UnsafePathError(f"the path {path!r} cannot name a file: {error}") from None
    base = root.rstrip(os.sep) + os.sep
    if not real.startswith(base):
        raise UnsafePathError(f"the file {path} is outside of the directory {directory.path}")
    return real.removeprefix(base)


def _inspect_file(path: str, declared: Declared, stopped: Callable[[], bool]) -> FileFacts | None:
    """Return the facts about a file. A missing file has no facts.

    Args:
        path: The absolute path.
        declared: The expected size and checksum. A file of another size is not read.
        stopped: Called between blocks. If the result is True, the checksum is incomplete.
    """
    expected = declared.checksum
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return FileFacts(problem="the path is not a file")
        if expected is None or declared.size not in (None, found.st_size):
            return FileFacts(found.st_size)
        digest = file_digest(Path(path), expected, stopped)
        return FileFacts(found.st_size, Multihash(expected.code, digest))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return FileFacts(problem=f"the file cannot be read: {error.strerror}")
