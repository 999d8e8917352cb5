"""A directory of the local file system as a destination.

`api`, the command line and the flows create `LocalDestinations` for the engine.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Literal

from stac_asset.concurrency import in_thread
from stac_asset.destinations.interface import BusyError, Declared, Existing
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.local.lock import remove_unlocked
from stac_asset.destinations.local.offload import AdaptiveOffload, WriteScheduler
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.local.part_file import PartFile, check_not_folder
from stac_asset.destinations.local.part_names import part_names
from stac_asset.destinations.local.upload import LocalUpload
from stac_asset.errors import DestinationError, StacAssetError, UnsafePathError

logger = logging.getLogger(__name__)

_POLL = 0.2
"""Seconds between two attempts to lock a part file."""

_POLLS_BEFORE_LOG = 5
"""Number of attempts before a warning is logged. Most waits are shorter."""


class LocalDestination:
    """A directory of the local file system.

    Args:
        directory: Path of the directory, which does not need to exist.
        make_directory: Whether the directory may be created. Folders below are always created.
    """

    def __init__(self, directory: str | os.PathLike[str], make_directory: bool = True) -> None:
        self.directory = ContainedDirectory(directory, make_directory)
        self._writes = WriteScheduler()
        self._commits = AdaptiveOffload()

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
            DestinationError: A folder has the key.
        """
        path, name = self.directory.path_of(key), os.path.basename(key)
        with (
            map_os_errors(path),
            suppress(FileNotFoundError),
            self.directory.open_folder(key) as folder,
        ):
            check_not_folder(path, name, folder)

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
        path, name = self.directory.path_of(key), os.path.basename(key)
        try:
            with self.directory.open_folder(key) as folder:
                check_not_folder(path, name, folder)
                found = os.stat(name, dir_fd=folder.fd)
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

    @asynccontextmanager
    async def open_upload(
        self, key: str, source: str, declared: Declared, hashed: bool = False, wait: bool = False
    ) -> AsyncIterator[LocalUpload]:
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
        async with AsyncExitStack() as stack:
            if wait:
                part = await self._wait_for_part_file(stack, key)
            else:
                part = stack.enter_context(PartFile.open(self.directory, key))
            upload = LocalUpload(part, source, declared, hashed, self._writes, self._commits)
            stack.push_async_callback(upload.close)
            yield upload

    async def write(self, key: str, data: bytes) -> None:
        """Replace a small file, such as a document, as a whole.

        A cancellation prevents the write or waits for it.

        Args:
            key: The key.
            data: The content.

        Raises:
            UnsafePathError: The key leads outside of the directory.
            DestinationError: The file cannot be written.
        """
        async with AsyncExitStack() as stack:
            part = await self._wait_for_part_file(stack, key)
            await in_thread(_replace, part, data)

    async def remove_leftovers(self, key: str) -> None:
        """Remove the part file and resume note of a key, unless another upload is open.

        Args:
            key: The key.
        """
        part, note = part_names(os.path.basename(key))
        # Leftovers do no harm, so errors are ignored.
        with suppress(OSError, StacAssetError), self.directory.open_folder(key) as folder:
            remove_unlocked(part, note, folder.fd)

    async def _wait_for_part_file(self, stack: AsyncExitStack, key: str) -> PartFile:
        attempts = 0
        while True:
            try:
                return stack.enter_context(PartFile.open(self.directory, key))
            except BusyError:
                attempts += 1
                if attempts == _POLLS_BEFORE_LOG:
                    path = self.directory.path_of(key)
                    logger.warning("waiting for another run or asset that is writing %s", path)
                await asyncio.sleep(_POLL)


class LocalDestinations:
    """The local directories of a run.

    Args:
        make_directory: Whether the directories may be created.
    """

    def __init__(self, make_directory: bool = True) -> None:
        self._make_directory = make_directory
        self._opened: dict[str, LocalDestination] = {}

    def destination_of(self, directory: str) -> LocalDestination:
        """Return the destination of a directory. Each call returns the same object.

        Args:
            directory: The absolute path of the directory.
        """
        found = self._opened.get(directory)
        if found is None:
            found = LocalDestination(directory, self._make_directory)
            self._opened[directory] = found
        return found


def _replace(part: PartFile, data: bytes) -> None:
    part.truncate()
    part.append(data)
    part.commit()
