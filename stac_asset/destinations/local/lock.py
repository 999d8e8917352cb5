"""Opens a part file, and holds its lock: whoever has it is the only one to write there."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
from collections.abc import Callable
from contextlib import suppress

from stac_asset.destinations.local.containment import Fence
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.destinations.local.part_names import beside
from stac_asset.errors import StacAssetError
from stac_asset.types import Candidate, Transfer

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


def tidy_others(transfer: Transfer, candidate: Candidate, fence: Fence) -> None:
    """Removes what was received from the other candidates of a transfer that is done.

    Args:
        transfer: The transfer.
        candidate: The one whose file is there.
        fence: The directory that nothing may leave.
    """
    for other in transfer.candidates:
        if other.path != candidate.path:
            with suppress(OSError, StacAssetError):  # What cannot be tidied harms nobody.
                fence.check(other.path)
                _tidy(other.path)


def _tidy(path: str) -> None:
    """Removes what a killed run left beside a finished file, unless it is somebody's just now."""
    part, note = beside(path)
    try:
        fd = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        with suppress(FileNotFoundError):
            os.unlink(note)
        return
    try:
        with suppress(OSError):  # Somebody has the lock, or the file system knows none.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(part)
            os.unlink(note)
    finally:
        os.close(fd)


logger = logging.getLogger(__name__)


_POLL = 0.2
"""Seconds between two looks."""


_SILENT = 5
"""Looks until the wait is worth a line: most are over by then."""


async def when_free(open_part: Callable[[], PartFile], path: str) -> PartFile:
    """Returns a part file as soon as nobody else is writing it.

    Args:
        open_part: Opens it, and does not wait.
        path: The file that it becomes.

    Raises:
        UnsafePathError: The path leaves its directory.
        DestinationError: The file cannot be made.
    """
    looked = 0
    while True:
        try:
            return open_part()
        except BusyError:
            looked += 1
            if looked == _SILENT:
                logger.warning("waiting for another run, or asset, that is writing %s", path)
            await asyncio.sleep(_POLL)
