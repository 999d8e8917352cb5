"""Internal: the content and the version of complete files. `LocalDestination` reads files here.

A file is opened relative to the descriptor of its folder, so that no symlink leads outside of the
directory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator

from stac_asset.concurrency import in_thread
from stac_asset.destinations.local.containment import ContainedDirectory, Folder
from stac_asset.destinations.values import MAX_DOCUMENT, StoredDocument
from stac_asset.errors import DestinationError, UnsafePathError

_BLOCK = 1024 * 1024
"""Number of bytes of a file that are read at a time."""


def _open_file(directory: ContainedDirectory, key: str, folder: Folder | None = None) -> int:
    """Open an existing file, and return the descriptor.

    Raises:
        UnsafePathError: The key leads outside of the directory.
        OSError: The file cannot be opened.
    """
    folder = folder if folder is not None else directory.open_folder(key)
    name = key.rpartition(os.sep)[2]
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder.fd)


def first_bytes(
    directory: ContainedDirectory, key: str, size: int, folder: Folder | None = None
) -> bytes:
    """Return the first bytes of a file. A file that cannot be read has no bytes.

    Args:
        directory: The directory.
        key: The key.
        size: Maximum number of bytes.
        folder: The open folder of the file, if known.

    Raises:
        UnsafePathError: The key leads outside of the directory.
    """
    try:
        fd = _open_file(directory, key, folder)
    except UnsafePathError:
        raise
    except (OSError, ValueError, DestinationError):
        return b""
    try:
        return os.pread(fd, size, 0)
    except OSError:
        return b""
    finally:
        os.close(fd)


def read_document(directory: ContainedDirectory, key: str) -> StoredDocument | None:
    """Return the content and the version of a small file, if the file can be read.

    Args:
        directory: The directory.
        key: The key.

    Raises:
        UnsafePathError: The key leads outside of the directory.
    """
    try:
        fd = _open_file(directory, key)
    except UnsafePathError:
        raise
    except (OSError, ValueError):
        return None
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return None
        try:
            data = file.read() if found.st_size <= MAX_DOCUMENT else b""
        except OSError:
            return None
        return StoredDocument(data, version_of(found))


async def read_blocks(directory: ContainedDirectory, key: str) -> AsyncIterator[bytes]:
    """Yield the content of a file in blocks.

    Args:
        directory: The directory.
        key: The key.

    Raises:
        UnsafePathError: The key leads outside of the directory.
        DestinationError: There is no such file, or the file cannot be read.
    """
    try:
        with open(_open_file(directory, key), "rb") as file:
            while block := await in_thread(file.read, _BLOCK):
                yield block
    except UnsafePathError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DestinationError(f"{directory.path_of(key)} cannot be read: {reason}") from error


def current_version(directory: ContainedDirectory, key: str) -> str | None:
    """Return the version of a file, as `read_document` would.

    Args:
        directory: The directory.
        key: The key.
    """
    try:
        fd = _open_file(directory, key)
    except (OSError, ValueError):
        return None
    try:
        return version_of(os.fstat(fd))
    finally:
        os.close(fd)


def version_of(found: os.stat_result) -> str:
    """Return the version of a file. A commit gives the file another inode and another time.

    Args:
        found: The status of the file.
    """
    return f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_ctime_ns}"
