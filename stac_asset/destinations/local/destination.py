"""A directory of the local file system as a destination."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from itertools import islice
from typing import Literal

from stac_asset.concurrency import in_thread
from stac_asset.destinations.local.containment import ContainedDirectory, Folder
from stac_asset.destinations.local.content import (
    current_version,
    first_bytes,
    read_blocks,
    read_document,
    version_of,
)
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.local.files import LocalFiles
from stac_asset.destinations.local.leftovers import list_leftovers, remove_leftover
from stac_asset.destinations.local.listing import listed_files
from stac_asset.destinations.local.lock import remove_unlocked
from stac_asset.destinations.local.offload import WriteScheduler, new_commits
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.local.part_file import PartFile, check_not_folder
from stac_asset.destinations.local.upload import LocalUpload
from stac_asset.destinations.part_names import part_names
from stac_asset.destinations.values import (
    ANY_VERSION,
    BusyError,
    Declared,
    Existing,
    Leftover,
    ListedFile,
    StoredDocument,
    VersionError,
)
from stac_asset.errors import DestinationError, StacAssetError, UnsafePathError

logger = logging.getLogger(__name__)

_POLL = 0.2
"""Seconds between two attempts to lock a part file."""

_BATCH = 1000
"""Number of files that are listed at a time."""

_POLLS_BEFORE_LOG = 5
"""Number of attempts before a warning is logged. Most waits need fewer attempts."""


class LocalDestination(LocalFiles):
    """A directory of the local file system.

    Args:
        directory: Path of the directory, which does not need to exist.
        make_directory: Whether the directory may be created. Folders below are always created.
        fsync: Whether files are synced to the disk before they get their final names.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        make_directory: bool = True,
        fsync: bool = True,
    ) -> None:
        super().__init__(ContainedDirectory(directory, make_directory))
        self._fsync = fsync
        self._writes = WriteScheduler()
        self._commits = new_commits()
        self._found: tuple[str, Folder] | None = None
        """The last existing key and its folder, for the next call of `head`."""

    def close(self) -> None:
        """Close the open folders. Later calls open the folders again."""
        self._found = None
        self.directory.close()

    def key_of(self, location: str) -> str:
        """Return the key of a file.

        Args:
            location: The absolute path of the file.

        Raises:
            UnsafePathError: The path is outside of the directory, or names no file.
        """
        return self.directory.key_of(location)

    async def check(self, key: str) -> None:
        """Check whether a key can be written, without writing.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the directory.
            DestinationError: A folder has the key, or its parent folder cannot be opened.
        """
        path, name = self.directory.path_of(key), os.path.basename(key)
        with map_os_errors(path), suppress(FileNotFoundError):
            check_not_folder(path, name, self.directory.open_folder(key))

    async def existing(
        self, key: str, declared: Declared, how: Literal["size", "checksum", "none"]
    ) -> Existing | None:
        """Return the existing file of a key, if the file is complete and valid.

        Args:
            key: The key.
            declared: The expected size and checksum.
            how: What to compare: the size, also the checksum, or nothing.

        Raises:
            UnsafePathError: The key leads outside of the directory.
            DestinationError: A folder has the key.
        """
        if how == "checksum" and declared.checksum is not None:
            return await in_thread(self._existing, key, declared, how)
        return self._existing(key, declared, how)

    def _existing(self, key: str, declared: Declared, how: str) -> Existing | None:
        path = self.directory.path_of(key)
        try:
            # Most files of a new download do not exist, and one call is enough for them.
            found = os.stat(path)
        except (OSError, ValueError):
            return None
        name = key.rpartition(os.sep)[2]
        try:
            folder = self.directory.open_folder(key)  # The folder must be inside.
            self._found = key, folder
            if stat.S_ISDIR(found.st_mode):
                check_not_folder(path, name, folder)
            if not stat.S_ISREG(found.st_mode):
                return None
            if how != "none" and declared.size not in (None, found.st_size):
                return None
            if how == "checksum" and declared.checksum is not None:
                fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder.fd)
                if not declared.checksum.matches(file_digest(fd, declared.checksum)):
                    return None
            return Existing(found.st_size)
        except (DestinationError, UnsafePathError):
            raise
        except (OSError, ValueError):
            return None

    async def head(self, key: str, size: int) -> bytes:
        """Return the first bytes of an existing file. A file that cannot be read has no bytes.

        Args:
            key: The key.
            size: Maximum number of bytes.

        Raises:
            UnsafePathError: The key leads outside of the directory.
        """
        known, self._found = self._found, None
        folder = known[1] if known and known[0] == key else None
        return first_bytes(self.directory, key, size, folder)

    def open_upload(
        self, key: str, source: str, declared: Declared, hashed: bool = False, wait: bool = False
    ) -> AbstractAsyncContextManager[LocalUpload]:
        """Start or resume the upload of a file.

        Args:
            key: The key.
            source: Identity of the source. Bytes from another source are not resumed.
            declared: The expected size and checksum.
            hashed: Compute a checksum even if none is declared.
            wait: Wait while another upload of the key is open.

        Raises:
            BusyError: Another upload of the key is open, and `wait` is False.
            UnsafePathError: The key leads outside of the directory.
            DestinationError: The part file cannot be opened.
        """
        return _OpenUpload(self, key, source, declared, hashed, wait)

    async def _open_part_file(self, key: str, wait: bool = True) -> PartFile:
        """Open the part file of a key.

        Args:
            key: The key.
            wait: Wait while another upload of the key is open.

        Raises:
            BusyError: Another upload of the key is open, and `wait` is False.
            UnsafePathError: The key leads outside of the directory.
            DestinationError: The part file cannot be opened.
        """
        attempts = 0
        while True:
            try:
                return PartFile.open(self.directory, key, fsync=self._fsync)
            except BusyError:
                if not wait:
                    raise
                attempts += 1
                if attempts == _POLLS_BEFORE_LOG:
                    path = self.directory.path_of(key)
                    logger.warning("waiting for another run or asset that is writing %s", path)
                await asyncio.sleep(_POLL)

    def _start_upload(
        self, part: PartFile, source: str, declared: Declared, hashed: bool
    ) -> LocalUpload:
        """Return the upload to an open part file. The arguments are those of `open_upload`."""
        return LocalUpload(part, source, declared, hashed, self._writes, self._commits)

    async def read(self, key: str) -> StoredDocument | None:
        """Return a small file, such as a document.

        Args:
            key: The key.

        Returns:
            The content and the version. None if there is no file that can be read.

        Raises:
            UnsafePathError: The key leads outside of the directory.
        """
        return await in_thread(read_document, self.directory, key)

    def blocks(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content of a file in blocks.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the directory.
            DestinationError: There is no such file, or the file cannot be read.
        """
        return read_blocks(self.directory, key)

    async def write(self, key: str, data: bytes, replaces: str | None = ANY_VERSION) -> str:
        """Replace a small file, such as a document, as a whole.

        A cancelled call has written either nothing or the whole file.

        Args:
            key: The key.
            data: The content.
            replaces: The version that `read` returned, or None if there was no file. By default,
                any version is replaced.

        Returns:
            The new version.

        Raises:
            VersionError: The file has another version.
            UnsafePathError: The key leads outside of the directory.
            DestinationError: The file cannot be written.
        """
        with await self._open_part_file(key) as part:
            # The lock of the part file excludes other runs between the check and the commit.
            if replaces != ANY_VERSION and replaces != await in_thread(
                current_version, self.directory, key
            ):
                raise VersionError.of(self.directory.path_of(key))
            return await in_thread(_replace, part, data)

    async def list_files(self, prefix: str = "") -> AsyncIterator[ListedFile]:
        """Yield the files of the directory, with part files. Symlinks are not followed.

        Args:
            prefix: Start of the keys, such as `item-1/`.

        """
        files = listed_files(self.directory.path, prefix)
        while batch := await in_thread(lambda: list(islice(files, _BATCH))):
            for key, found in batch:
                yield ListedFile(key, found.st_size, version_of(found), found.st_mtime)

    async def remove(self, key: str, version: str = ANY_VERSION) -> None:
        """Remove a file. A missing file is no error.

        Args:
            key: The key.
            version: The version that `read` returned. By default, any version is removed.

        Raises:
            VersionError: The file has another version.
            UnsafePathError: The key leads outside of the directory.
            DestinationError: The file cannot be removed.
        """
        await in_thread(self._remove, key, version)

    def _remove(self, key: str, version: str) -> None:
        if version != ANY_VERSION:
            found = current_version(self.directory, key)
            if found not in (None, version):
                raise VersionError.of(self.directory.path_of(key))
        with map_os_errors(self.directory.path_of(key)), suppress(FileNotFoundError):
            os.unlink(os.path.basename(key), dir_fd=self.directory.open_folder(key).fd)

    async def leftovers(self) -> AsyncIterator[Leftover]:
        """Yield the part files of interrupted runs, with their notes and lock files."""
        for leftover in await in_thread(list_leftovers, self.directory):
            yield leftover

    async def remove_leftover(self, leftover: Leftover) -> bool:
        """Remove a part file with the note and the lock file, unless a run has it open.

        Args:
            leftover: The leftover, as `leftovers` returned it.

        Raises:
            DestinationError: A file cannot be removed.
        """
        return await in_thread(remove_leftover, leftover, self.directory)

    async def remove_leftovers(self, key: str, only_outdated: bool = False) -> None:
        """Remove the part file and resume note of a key, unless another upload is open.

        Args:
            key: The key.
            only_outdated: Without effect, because the lock shows whether an upload is open.
        """
        part, note = part_names(os.path.basename(key))
        # Leftovers are harmless, so errors are ignored.
        with suppress(BusyError, OSError, StacAssetError):
            folder = self.directory.open_folder(key)
            remove_unlocked(part, note, folder.fd)


class _OpenUpload:
    """The context of an upload: opens the part file on entry, and closes both on exit."""

    __slots__ = ("_arguments", "_destination", "_key", "_part", "_upload", "_wait")

    def __init__(
        self,
        destination: LocalDestination,
        key: str,
        source: str,
        declared: Declared,
        hashed: bool,
        wait: bool,
    ) -> None:
        self._destination = destination
        self._key, self._wait = key, wait
        self._arguments = source, declared, hashed

    async def __aenter__(self) -> LocalUpload:
        self._part = await self._destination._open_part_file(self._key, self._wait)
        try:
            self._upload = self._destination._start_upload(self._part, *self._arguments)
        except BaseException:
            self._part.__exit__()
            raise
        return self._upload

    async def __aexit__(self, *_: object) -> None:
        with self._part:
            await self._upload.close()


def _replace(part: PartFile, data: bytes) -> str:
    """Write a document, and return its version."""
    part.truncate()
    part.append(data)
    part.commit()
    return version_of(os.fstat(part.fd))
