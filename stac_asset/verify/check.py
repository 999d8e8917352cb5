"""Checks downloaded files against the sizes and checksums that local documents declare.

Empty files and web pages in place of assets are bad too, because earlier versions stored them.

`verify.run` and `verify.repair` call these functions. No file is changed here.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from stac_asset.concurrency import bounded
from stac_asset.config import Config
from stac_asset.destinations.local.digest import file_digest
from stac_asset.errors import StacAssetError
from stac_asset.integrity import Multihash
from stac_asset.transfer.stored import stored_error
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Inventory
from stac_asset.verify.results import (
    Corrupt,
    Missing,
    NotLocal,
    OutOfBounds,
    Unverifiable,
    Verdict,
    Verified,
)

MAX_OPEN_FILES = 8
"""Maximum number of files that are read at the same time, each in a thread."""


def check(
    asset: ExpectedAsset,
    inventory: Inventory,
    config: Config,
    stopped: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Check the file of an asset.

    Args:
        asset: The asset, as its document declares it.
        inventory: The inventory of the document.
        config: Which content of files is accepted.
        stopped: Called between blocks of the file. If it returns True, the check stops early, and
            its result is meaningless.
    """
    try:
        path = inventory.file_of(asset)
    except StacAssetError as error:
        return OutOfBounds(asset, error.message)
    if path is None:
        return NotLocal(asset)
    expected = Multihash.parse(asset.checksum)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return Corrupt(asset, str(path), "the path is not a file")
        if asset.size is not None and found.st_size != asset.size:
            reason = f"the file has {found.st_size} bytes, but file:size declares {asset.size}"
            return Corrupt(asset, str(path), reason)
        unusable = stored_error(path, asset.media_type, asset.roles, config, asset.size)
        if expected is None:
            if unusable is not None:
                return Corrupt(asset, str(path), unusable.message, is_other_content=True)
            return Unverifiable(asset, str(path), found.st_size)
        digest = file_digest(path, expected, stopped)
    except (FileNotFoundError, NotADirectoryError):
        return Missing(asset, str(path))
    except OSError as error:
        return Corrupt(asset, str(path), f"the file cannot be read: {error.strerror}")
    if not expected.matches(digest):
        actual = Multihash(expected.code, digest)
        reason = f"the file has the checksum {actual}, but file:checksum declares {expected}"
        return Corrupt(asset, str(path), reason)
    if unusable is not None:
        return Corrupt(asset, str(path), unusable.message, is_other_content=True)
    return Verified(asset, str(path), found.st_size)


async def check_all(
    inventory: Inventory, limit: int = MAX_OPEN_FILES, config: Config | None = None
) -> AsyncGenerator[Verdict, None]:
    """Check all assets, and yield the verdicts in the order of completion.

    Args:
        inventory: The inventory of a directory.
        limit: Maximum number of files that are read at the same time.
        config: Which content of files is accepted. Default: that of `Config()`.

    Yields:
        A verdict for each asset of each document.
    """
    stop = threading.Event()
    accepted = config or Config()

    async def check_one(asset: ExpectedAsset) -> Verdict:
        checking = asyncio.to_thread(check, asset, inventory, accepted, stop.is_set)
        reading = asyncio.ensure_future(checking)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait({reading})
            raise

    async with aclosing(bounded(check_one, inventory.assets(), limit)) as verdicts:
        async for verdict in verdicts:
            yield verdict
