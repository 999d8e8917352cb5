"""Looks at files that are there already: whether they are still good, and what lies beside them."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stac_asset.errors import StacAssetError
from stac_asset.fence import Fence
from stac_asset.files import beside
from stac_asset.integrity import Multihash, new_hash
from stac_asset.types import Candidate, Transfer

_BLOCK = 1024 * 1024


def check_existing(
    path: str,
    size: int | None,
    expected: Multihash | None,
    look: str,
    tidy: bool = True,
) -> int | None:
    """Returns the size of a file that is there and still good, or None.

    Args:
        path: The file.
        size: Bytes that it must have, if known.
        expected: The multihash that it must have, if known.
        look: How hard to look: `size`, `checksum` or `none`.
        tidy: Whether what a killed run left beside a finished file is removed.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    if look != "none" and size is not None and found.st_size != size:
        return None
    if (
        look == "checksum"
        and expected is not None
        and not expected.matches(file_digest(Path(path), expected))
    ):
        return None
    if tidy:
        with suppress(OSError):  # What cannot be tidied harms nobody.
            _tidy(path)
    return found.st_size


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


def file_digest(
    path: Path, expected: Multihash, stopped: Callable[[], bool] = lambda: False
) -> bytes:
    """Returns the digest of a file, by the algorithm of a multihash.

    Args:
        path: The file, which is read block by block.
        expected: The multihash that it is to be compared with.
        stopped: Asked between blocks whether nobody wants to know any more.
    """
    _, running = new_hash(expected)
    with path.open("rb") as file:
        while not stopped() and (block := file.read(_BLOCK)):
            running.update(block)
    return running.digest()
