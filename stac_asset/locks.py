"""Opens a part file, and holds its lock: whoever has it is the only one to write there."""

from __future__ import annotations

import errno
import fcntl
import os

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW

_LINKS = 8
"""How many part files with further names are put aside, until somebody seems to make them."""


class BusyError(Exception):
    """Raised when another process, or another asset, is writing the same file."""


def open_locked(part: str, path: str, make_directory: bool, wait: bool) -> tuple[int, int]:
    """Opens a part file with its lock, and returns its descriptor and how many bytes it holds.

    Args:
        part: Its path; it is made if it is not there.
        path: The file that it becomes.
        make_directory: Whether its folder may be made.
        wait: Whether to block while somebody else has the lock.

    Raises:
        BusyError: Somebody else has it.
        OSError: It cannot be made.
    """
    links = 0
    while True:
        try:
            fd = os.open(part, _FLAGS, 0o666)
        except FileNotFoundError:
            if not make_directory:
                raise
            os.makedirs(os.path.dirname(path), exist_ok=True)
            fd = os.open(part, _FLAGS, 0o666)
        try:
            _lock(fd, wait)
        except BlockingIOError:
            os.close(fd)
            raise BusyError(path) from None
        except OSError:
            os.close(fd)
            raise
        try:
            found = os.fstat(fd)
            if found.st_ino == os.stat(part).st_ino:
                if found.st_nlink <= 1:
                    return fd, found.st_size
                if links == _LINKS:
                    raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
                os.unlink(part)  # Its other name is a file that is none of ours.
                links += 1
        except FileNotFoundError:
            pass
        except OSError:
            os.close(fd)
            raise
        os.close(fd)  # Whoever had the lock has renamed this very file in the meantime.


def _lock(fd: int, wait: bool) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems know no locks; two writers are then the operator's care, as
        # the documentation says.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
