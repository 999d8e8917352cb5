"""The lock of a part file. The holder of the lock is the only writer."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from stac_asset.destinations.local.lock_file import LockFile
from stac_asset.destinations.part_names import lock_name
from stac_asset.destinations.values import BusyError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW

_MAX_LINKS = 8
"""Maximum number of hard-linked part files that are replaced before an error is raised."""


def open_locked(name: str, folder: int, wait: bool = False) -> tuple[int, int, LockFile | None]:
    """Open and lock a part file. A missing part file is created.

    Args:
        name: The name of the part file.
        folder: The descriptor of its folder.
        wait: Whether to block while another writer holds the lock.

    Returns:
        The descriptor and the size in bytes of the part file, and the lock file if the file system
        does not support `flock`.

    Raises:
        BusyError: Another writer holds the lock, and `wait` is False.
        OSError: The part file cannot be opened.
    """
    links = 0
    while True:
        fd = os.open(name, _FLAGS, 0o666, dir_fd=folder)
        lock_file = None
        try:
            lock_file = _lock(fd, name, folder, wait)
            held = os.fstat(fd)
            if _is_at(held, name, folder):
                if held.st_nlink <= 1:
                    return fd, held.st_size, lock_file
                if links == _MAX_LINKS:
                    raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
                os.unlink(name, dir_fd=folder)  # The other link may belong to another program.
                links += 1
        except BaseException:
            close_locked(fd, lock_file)
            raise
        # The previous holder of the lock has renamed or removed the file.
        close_locked(fd, lock_file)


def close_locked(fd: int, lock_file: LockFile | None) -> None:
    """Close a part file and release the lock.

    Args:
        fd: The descriptor of the part file.
        lock_file: The lock file, as returned by `open_locked`.
    """
    os.close(fd)
    if lock_file is not None:
        lock_file.release()


def remove_unlocked(part: str, note: str, folder: int) -> None:
    """Remove a part file and the resume note, unless another writer holds the lock.

    Args:
        part: The name of the part file.
        note: The name of the resume note.
        folder: The descriptor of their folder.

    Raises:
        BusyError: Another writer holds the lock.
        OSError: The files cannot be removed.
    """
    # Most files have neither, and these calls are faster than exceptions.
    if not os.access(part, os.F_OK, dir_fd=folder):
        if os.access(note, os.F_OK, dir_fd=folder):
            _unlink(note, folder)
        return
    fd = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    lock_file = None
    try:
        lock_file = _lock(fd, part, folder, wait=False)
        _unlink(part, folder)
        _unlink(note, folder)
    finally:
        close_locked(fd, lock_file)


def _lock(fd: int, name: str, folder: int, wait: bool) -> LockFile | None:
    """Lock a part file. Return a lock file if the file system does not support `flock`."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError from None
    except OSError:
        # Network file systems report many codes for missing locks: ENOLCK, ENOTSUP, ENOSYS, EBADF,
        # EPERM, EINVAL, EIO and 524 (ENOTSUPP of the Linux kernel).
        return LockFile.acquire(lock_name(name), folder, wait)
    return None


def _is_at(held: os.stat_result, name: str, folder: int) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return found.st_ino == held.st_ino and found.st_dev == held.st_dev


def _unlink(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
