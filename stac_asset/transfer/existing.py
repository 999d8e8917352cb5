"""Looks at files that are there already: whether they are still good, and what lies beside them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.destinations.local.containment import Fence
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.local.lock import _tidy, tidy_others
from stac_asset.integrity import Multihash
from stac_asset.types import (
    Skipped,
    Transfer,
)


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


async def find_existing(
    transfer: Transfer, config: Config, tidy: bool = True, fence: Fence | None = None
) -> Skipped | None:
    """Returns the skip of a transfer whose file is there and still good, or None.

    Args:
        transfer: What is to be downloaded.
        config: How hard to look; what is to be overwritten is never skipped.
        tidy: Whether what a killed run left beside a finished file is removed.
        fence: The directory that the file may not leave, where many are looked at.

    Raises:
        UnsafePathError: The file lies outside of the directory, by a symlink.
        DestinationError: There is a directory of that name.
    """
    if config.overwrite or transfer.overwrite:
        return None
    fence = fence or Fence(transfer.directory)
    look = config.verify_existing
    expected = Multihash.parse(transfer.checksum) if look == "checksum" else None
    for candidate in transfer.candidates:
        path = candidate.path
        if not os.path.lexists(path):
            continue
        fence.check(path)
        check = (path, transfer.size, expected, look, tidy)
        if expected is not None:
            size = await in_thread(check_existing, *check)
        else:
            size = check_existing(*check)
        if size is not None:
            if tidy and len(transfer.candidates) > 1:
                tidy_others(transfer, candidate, fence)
            checksum = transfer.checksum if expected is not None else None
            return Skipped(transfer, candidate, size, checksum)
    return None
