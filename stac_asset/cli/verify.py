"""The command `stac-asset verify`. `stac_asset.cli.app` parses the arguments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from stac_asset.api.destinations import RunDestinations
from stac_asset.cli.names import as_typed
from stac_asset.cli.tables import printable
from stac_asset.clients import Clients
from stac_asset.config import Config
from stac_asset.destinations.location import StorePath, location_of
from stac_asset.mirror.unknown_files import (
    remove_unknown_files,
    unknown_files,
    unknown_objects,
)
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome
from stac_asset.verify.inventory import take_inventory
from stac_asset.verify.repair import Repair, repair_config
from stac_asset.verify.results import Bad
from stac_asset.verify.run import Repairs, verify_files


async def verify(
    directory: str,
    config: Config,
    repair: bool,
    remove_unknown: bool,
    limit: int,
    read: bool = False,
) -> int:
    """Verify a directory or prefix, optionally repair bad files, and print the result.

    Args:
        directory: A directory of downloads, or the URL of a prefix.
        config: The configuration of repairs.
        repair: Whether to download bad files again.
        remove_unknown: Whether to remove files in mirrors that no record names.
        limit: Maximum number of assets downloaded at the same time.
        read: Whether to read objects whose checksum was recorded when they were written.

    Returns:
        1 if files are missing or wrong and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: The directory does not exist, or contains no STAC document.
    """

    @asynccontextmanager
    async def open_repairs(_: Sequence[Bad]) -> AsyncIterator[Repairs]:
        changed = repair_config(config)
        async with Clients(changed) as clients:
            engine = Engine(clients, changed, destinations, max_concurrent_downloads=limit)

            def download(repairs: Sequence[Repair]) -> AsyncGenerator[Outcome, None]:
                return engine.run([planned.transfer for planned in repairs])

            yield Repairs(clients, changed, download)

    location, writable = location_of(directory), repair or remove_unknown
    destinations = RunDestinations(config, writable=writable)
    async with destinations:
        await destinations.prepare(str(location), writable)
        if isinstance(location, StorePath):
            unknown = await unknown_objects(location, destinations, remove_unknown)
        else:
            unknown = remove_unknown_files(location) if remove_unknown else unknown_files(location)
        inventory = await take_inventory(directory, destinations)
        summary = await verify_files(
            inventory, open_repairs if repair else None, config=config, read=read
        )
    click.echo(summary)
    if inventory.leftovers:
        click.echo(f"{len(inventory.leftovers)} part files of interrupted downloads:")
        for path in inventory.leftovers:
            click.echo(f"- {printable(path)}")
    if unknown:
        action = "removed" if remove_unknown else "found"
        click.echo(f"{len(unknown)} files that no record of a mirror names {action}:")
        for path in unknown:
            click.echo(f"- {printable(path)}")
    if summary.error is None:
        return 0
    kind = "warning" if config.warn else "error"
    click.echo(f"{kind}: {printable(as_typed(str(summary.error)))}", err=True)
    return 0 if config.warn else 1
