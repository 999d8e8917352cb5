"""Internal: the files of a mirror in a local directory. Implements `MirrorStorage`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from stac_asset.config import Config
from stac_asset.destinations.local import LocalDestination
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.local.documents import new_file, write_document
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.part_names import lock_name, part_names
from stac_asset.errors import TransferError
from stac_asset.integrity import Multihash
from stac_asset.mirror.catalog_document import is_mirror_catalog
from stac_asset.mirror.layout import CATALOG
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.transfer.stored import stored_error

_A = TypeVar("_A")
_T = TypeVar("_T")


class LocalStorage:
    """A mirror in a local directory. Folders are opened without following symlinks outside.

    Args:
        directory: The directory, which need not exist.
    """

    executor = None
    """The methods block in the threads of the event loop."""

    concurrency = 1
    """Number of items in progress. A directory has no latency."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(os.path.abspath(directory))
        self._root = str(self.directory)

    @property
    def destination(self) -> LocalDestination:
        """The destination of the downloads."""
        return LocalDestination(self.directory)

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        Args:
            call: The function to call.
            inputs: The inputs.
        """
        return map(call, inputs)

    def path_of(self, location: str) -> str:
        """Return the path of a file.

        Args:
            location: The absolute path of the file, as plans name it.
        """
        return location.removeprefix(f"{self._root.rstrip('/')}/")

    def item_folders(self) -> Iterator[str]:
        """Yield the folders on the first and second level. Symlinks are not followed."""
        for first in list(_folders(self._root)):
            yield first
            for second in _folders(f"{self._root}/{first}"):
                yield f"{first}/{second}"

    def file_names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder.

        Args:
            folder: The path of the folder, which need not exist.
        """
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except OSError:
            return []

    def files(self) -> Iterator[str]:
        """Yield the paths of all files in order, without those of mirrors in folders."""
        for folder, folders, names in os.walk(self._root):
            folders.sort()
            path = Path(folder)
            if path != self.directory and is_mirror_catalog(LocalStorage(path).read(CATALOG)):
                folders.clear()
                continue
            for name in sorted(names):
                yield (path / name).relative_to(self.directory).as_posix()

    def stamp(self, path: str) -> Stamp | None:
        """Return the modification time in nanoseconds and the size of a regular file, if any.

        Args:
            path: The path of the file.
        """
        try:
            found = os.lstat(f"{self._root}/{path}")
        except (OSError, ValueError):
            return None
        return (found.st_mtime_ns, found.st_size) if S_ISREG(found.st_mode) else None

    def is_listed(self, path: str) -> bool:
        """Return whether there is a file or symlink.

        Args:
            path: The path of the file.
        """
        return self.exists(path)

    def exists(self, path: str) -> bool:
        """Return whether there is a file or symlink.

        Args:
            path: The path of the file.
        """
        return os.path.lexists(f"{self._root}/{path}")

    def versions(self, folder: str) -> None:
        """Return no versions. The modification time of a file is sufficient.

        Args:
            folder: The path of the folder.
        """
        return None

    def is_written_since(self, path: str, since: float, versions: Mapping[str, str] | None) -> bool:
        """Return whether a file was written after a time, or does not exist.

        Args:
            path: The path of the file.
            since: The time, in seconds since the epoch.
            versions: Not used.
        """
        try:
            return os.stat(f"{self._root}/{path}").st_mtime >= since
        except (OSError, ValueError):
            return True

    def is_newer(self, path: str, other: str) -> bool:
        """Return whether a file was written after another file. A missing file was not.

        Args:
            path: The path of the file.
            other: The path of the other file.
        """
        try:
            written, others = ((self.directory / one).stat().st_mtime_ns for one in (path, other))
        except OSError:
            return False
        return written >= others

    def read(self, path: str) -> bytes | None:
        """Return the content of a readable document.

        Args:
            path: The path of the document.
        """
        try:
            return (self.directory / path).read_bytes()
        except (OSError, ValueError):
            return None

    def read_all(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield paths and contents of documents in order.

        Args:
            paths: The paths of the documents.
        """
        return ((path, self.read(path)) for path in paths)

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file, without line breaks.

        Args:
            path: The file, which need not exist. The lines end at a line that cannot be read.
        """
        with suppress(OSError), (self.directory / path).open("rb") as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    def write(self, path: str, data: bytes) -> Stamp:
        """Replace a document as a whole, and return the stamp of the new document.

        Args:
            path: The path of the document.
            data: The content.

        Raises:
            DestinationError: The document cannot be written.
        """
        place = self.directory / path
        write_document(place, data, self.directory)
        found = place.stat()
        return found.st_mtime_ns, found.st_size

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            DestinationError: The file cannot be written.
        """
        with new_file(self.directory / path, self.directory, wait=True) as file:
            for block in blocks:
                file.append(block)
            file.commit()

    def remove(self, folder: str, names: Iterable[str], interrupted: Iterable[str] = ()) -> None:
        """Remove files of a folder, and part files with notes. Missing files are no error.

        Args:
            folder: The path of the folder, or an empty string.
            names: The names of the files.
            interrupted: Names of files whose part files are removed.

        Raises:
            DestinationError: A file cannot be removed.
            UnsafePathError: The folder leads outside of the mirror.
        """
        files = [file for name in interrupted for file in _incomplete_files(name)]
        files.extend(names)
        if not files:
            return
        with map_os_errors(str(self.directory / folder)), suppress(FileNotFoundError):
            key = f"{folder}/{files[0]}" if folder else files[0]
            opened = ContainedDirectory(self.directory).open_folder(key)
            for file in files:
                with suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(file, dir_fd=opened.fd)

    def remove_document(self, path: str) -> None:
        """Remove a document, and the part file of a run that was killed.

        Args:
            path: The path of the document. A missing document is no error.

        Raises:
            DestinationError: The document cannot be removed.
            UnsafePathError: The folder leads outside of the mirror.
        """
        folder, _, name = path.rpartition("/")
        self.remove(folder, [name], [name])

    def remove_empty_folders(self, folders: Iterable[str]) -> None:
        """Remove folders without files. Folders that do not exist are no error.

        Args:
            folders: The paths of the folders.
        """
        for folder in folders:
            with suppress(OSError):
                (self.directory / folder).rmdir()

    def stored_error(
        self, path: str, media_type: object, roles: object, config: Config
    ) -> TransferError | None:
        """Return the error for a file that is empty, or a web page in place of the asset.

        Args:
            path: The path of the file. A symlink has no error.
            media_type: The `type` of the asset. Any JSON value.
            roles: The `roles` of the asset. Any JSON value.
            config: Which content is accepted.
        """
        return stored_error(self.directory / path, media_type, roles, config)

    def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            OSError: The file cannot be read.
        """
        return file_digest(self.directory / path, expected)


def _folders(path: str) -> Iterator[str]:
    """Yield the names of the folders in a folder."""
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield entry.name


def _incomplete_files(name: str) -> tuple[str, str, str]:
    """Return the names of the part file, the resume note and the lock file of a file."""
    part, note = part_names(name)
    return part, note, lock_name(part)
