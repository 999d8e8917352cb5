"""Checks downloaded files against the sizes and checksums that documents declare.

Empty files and web pages in place of assets are bad too, because earlier versions stored them.

`verify.run` and `verify.repair` call these functions. No file is changed here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from stac_asset.concurrency import bounded
from stac_asset.config import Config
from stac_asset.destinations.values import Declared
from stac_asset.errors import StacAssetError
from stac_asset.integrity import Multihash
from stac_asset.transfer.stored import found_error
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
"""Maximum number of files that are checked at the same time."""


async def check(
    asset: ExpectedAsset, inventory: Inventory, config: Config, read: bool = False
) -> Verdict:
    """Check the file of an asset.

    Args:
        asset: The asset, as its document declares it.
        inventory: The inventory of the document.
        config: Which content of files is accepted.
        read: Read each file with a declared checksum. By default, a destination may compare the
            checksum that was recorded when the file was written.

    Raises:
        DestinationError: A request failed.
    """
    try:
        key = inventory.key_of(asset)
    except StacAssetError as error:
        return OutOfBounds(asset, error.message)
    if key is None:
        return NotLocal(asset)
    path = str(inventory.directory / key)
    expected = Multihash.parse(asset.checksum)
    facts = await inventory.destination.inspect(key, Declared(asset.size, expected), read)
    if facts is None:
        return Missing(asset, path)
    if facts.problem is not None:
        return Corrupt(asset, path, facts.problem)
    if asset.size is not None and facts.size != asset.size:
        reason = f"the file has {facts.size} bytes, but file:size declares {asset.size}"
        return Corrupt(asset, path, reason)
    actual = facts.checksum
    if expected is not None and actual is not None and not expected.agrees(actual):
        reason = f"the file has the checksum {actual}, but file:checksum declares {expected}"
        return Corrupt(asset, path, reason)
    unusable = await found_error(
        inventory.destination,
        key,
        path,
        facts.size,
        media_type=asset.media_type,
        roles=asset.roles,
        config=config,
        declared=asset.size,
    )
    if unusable is not None:
        return Corrupt(asset, path, unusable.message, is_other_content=True)
    if actual is None:
        return Unverifiable(asset, path, facts.size)
    return Verified(asset, path, facts.size)


async def check_all(
    inventory: Inventory,
    limit: int = MAX_OPEN_FILES,
    config: Config | None = None,
    read: bool = False,
    selects: Callable[[ExpectedAsset], bool] = lambda asset: True,
) -> AsyncGenerator[Verdict, None]:
    """Check all assets, and yield the verdicts in the order of completion.

    Args:
        inventory: The inventory of a destination.
        limit: Maximum number of files that are checked at the same time.
        config: Which content of files is accepted. Default: that of `Config()`.
        read: Read each file with a declared checksum.
        selects: Returns whether to check an asset. Default: all assets.

    Yields:
        A verdict for each selected asset of each document.

    Raises:
        DestinationError: A request failed.
    """
    accepted = config or Config()

    async def check_one(asset: ExpectedAsset) -> Verdict:
        return await check(asset, inventory, accepted, read)

    async with aclosing(inventory.batches()) as batches:
        async for assets in batches:
            selected = [asset for asset in assets if selects(asset)]
            async with aclosing(bounded(check_one, selected, limit)) as verdicts:
                async for verdict in verdicts:
                    yield verdict
