"""The command `stac-asset clean`. `stac_asset.cli.arguments.directories` parses the arguments."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from stac_asset.api.destinations import RunDestinations
from stac_asset.cli.output import print_json, printable
from stac_asset.config import Config
from stac_asset.destinations.location import location_of
from stac_asset.destinations.values import Leftover
from stac_asset.errors import SourceError
from stac_asset.verify import leftovers

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def parse_age(text: str) -> float:
    """Return an age in seconds.

    Args:
        text: A number and a unit, such as `30m`, `12h` or `7d`.

    Raises:
        ValueError: The text has another form.
    """
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"'{text}' is not an age. Write for example '30m', '12h' or '7d'.")
    return float(match[1]) * _UNITS[match[2]]


async def clean(
    directory: str,
    config: Config,
    older_than: float,
    dry_run: bool,
    without_note: bool = False,
    as_json: bool = False,
) -> int:
    """Remove the leftovers of interrupted runs from a directory or prefix, and print each removal.

    Args:
        directory: A directory, or the URL of a prefix.
        config: The configuration, for the options of the destination.
        older_than: Minimum age in seconds since the last write.
        dry_run: Remove nothing.
        without_note: Abort also unfinished uploads that another program may have started.
        as_json: Print JSON.

    Returns:
        0

    Raises:
        StacAssetError: The directory does not exist, or a request failed.
    """
    location = location_of(directory)
    if isinstance(location, Path) and not os.path.isdir(location):
        raise SourceError(f"the directory {location} does not exist. Correct the path.")
    destinations = RunDestinations(config, writable=not dry_run)
    async with destinations:
        await destinations.prepare(str(location), writable=False)
        destination = destinations.destination_of(str(location))
        done = await leftovers.clean(destination, older_than, dry_run, without_note)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "removed": [_row(leftover) for leftover in done.removed],
                "in_use": [_row(leftover) for leftover in done.in_use],
                "younger": [_row(leftover) for leftover in done.young],
                "without_note": [_row(leftover) for leftover in done.foreign],
            }
        )
        return 0
    verb = "would be removed" if dry_run else "removed"
    for leftover in done.removed:
        click.echo(f"{verb}: {_shown(leftover)}")
    for leftover in done.in_use:
        click.echo(f"in use: {_shown(leftover)}")
    click.echo(
        f"leftovers: {len(done.removed):,} {verb}, {len(done.young):,} younger than the given age, "
        f"{len(done.in_use):,} in use"
    )
    if done.foreign:
        click.echo(
            f"unfinished uploads without a note: {len(done.foreign):,}. --without-note aborts them."
        )
        for leftover in done.foreign:
            click.echo(f"- {_shown(leftover)}")
    return 0


def _shown(leftover: Leftover) -> str:
    kind = "unfinished upload, " if leftover.upload is not None else ""
    age = f"{leftover.age / 3600:.1f} h old"
    return f"{printable(leftover.location)} ({kind}{decimal(leftover.size)}, {age})"


def _row(leftover: Leftover) -> dict[str, Any]:
    return {
        "location": leftover.location,
        "bytes": leftover.size,
        "age": round(leftover.age, 1),
        "is_upload": leftover.upload is not None,
    }
