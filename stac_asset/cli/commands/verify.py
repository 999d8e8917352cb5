"""The command `stac-asset verify`. `stac_asset.cli.arguments.directories` parses the arguments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click

from stac_asset.api.destinations import RunDestinations
from stac_asset.cli.output import print_json, print_problem, printable
from stac_asset.clients import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
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
from stac_asset.verify.results import Bad, Summary
from stac_asset.verify.run import Repairs, verify_files


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of the command that are not fields of `Config`."""

    repair: bool = False
    """Download bad files again."""

    remove_unknown: bool = False
    """Remove files in mirrors that no record names."""

    read_objects: bool = False
    """Read objects whose checksum was recorded when they were written."""

    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
    """Maximum number of assets downloaded at the same time."""

    as_json: bool = False
    """Print JSON."""


async def verify(directory: str, config: Config, options: VerifyOptions) -> int:
    """Verify a directory or prefix, optionally repair bad files, and print the result.

    Args:
        directory: A directory of downloads, or the URL of a prefix.
        config: The configuration of repairs.
        options: The other options.

    Returns:
        1 if files are missing or wrong and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: The directory does not exist, or contains no STAC document.
    """
    repair, remove_unknown, limit = options.repair, options.remove_unknown, options.limit

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
            inventory,
            open_repairs if repair else None,
            config=config,
            read=options.read_objects,
        )
    if options.as_json:
        print_json(_result_row(summary, inventory.leftovers, unknown))
    else:
        _print(summary, inventory.leftovers, unknown, remove_unknown)
    if summary.error is None:
        return 0
    print_problem(str(summary.error), is_error=not config.warn)
    return 0 if config.warn else 1


def _result_row(
    summary: Summary, leftovers: Sequence[str], unknown: Sequence[str]
) -> dict[str, Any]:
    return {
        "good": summary.good,
        "bad": summary.bad,
        "repaired": summary.repaired,
        "bytes": summary.bytes,
        "files": summary.first,
        "documents": [{"path": found.path, "reason": found.reason} for found in summary.unreadable],
        "part_files": list(leftovers),
        "unknown_files": list(unknown),
    }


def _print(
    summary: Summary, leftovers: Sequence[str], unknown: Sequence[str], are_removed: bool
) -> None:
    click.echo(summary)
    if leftovers:
        click.echo(
            f"part files of interrupted downloads: {len(leftovers):,}. `stac-asset clean` removes "
            "them."
        )
        for path in leftovers:
            click.echo(f"- {printable(path)}")
    if unknown:
        action = "Now removed." if are_removed else "--remove-unknown removes them."
        click.echo(f"files without a record of the mirror: {len(unknown):,}. {action}")
        for path in unknown:
            click.echo(f"- {printable(path)}")
