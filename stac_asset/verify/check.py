"""Verifies a directory of downloads against what its own documents say. It changes nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from stac_asset.concurrency import bounded
from stac_asset.destinations.local.digest import file_digest
from stac_asset.errors import StacAssetError
from stac_asset.integrity import Multihash
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

FILES_AT_ONCE = 8
"""How many files are read at the same time, a thread each."""


def check(
    asset: ExpectedAsset, inventory: Inventory, stopped: Callable[[], bool] = lambda: False
) -> Verdict:
    """Returns what there is to find of one asset.

    Args:
        asset: What a document says.
        inventory: The inventory that it is from.
        stopped: Asked between blocks whether nobody wants to know any more.
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
            return Corrupt(asset, str(path), "what is there is no file")
        if asset.size is not None and found.st_size != asset.size:
            reason = f"its file has {found.st_size} bytes where file:size says {asset.size}"
            return Corrupt(asset, str(path), reason)
        if expected is None:
            return Unverifiable(asset, str(path), found.st_size)
        digest = file_digest(path, expected, stopped)
    except (FileNotFoundError, NotADirectoryError):
        return Missing(asset, str(path))
    except OSError as error:
        return Corrupt(asset, str(path), f"its file cannot be read: {error.strerror}")
    if not expected.matches(digest):
        got = Multihash(expected.code, digest)
        reason = f"its file has the checksum {got} where file:checksum says {expected}"
        return Corrupt(asset, str(path), reason)
    return Verified(asset, str(path), found.st_size)


async def check_all(
    inventory: Inventory, limit: int = FILES_AT_ONCE
) -> AsyncGenerator[Verdict, None]:
    """Yields what was found of each asset, in the order of their ends.

    Args:
        inventory: The inventory of a directory.
        limit: How many files are read at the same time.

    Yields:
        A verdict for each asset of each document.
    """
    stop = threading.Event()

    async def one(asset: ExpectedAsset) -> Verdict:
        reading = asyncio.ensure_future(asyncio.to_thread(check, asset, inventory, stop.is_set))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait({reading})
            raise

    async with aclosing(bounded(one, inventory.assets(), limit)) as verdicts:
        async for verdict in verdicts:
            yield verdict
