"""The command `stac-asset sync`. `stac_asset.cli.arguments.mirrors` parses the arguments."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from stac_asset.cli.asset_lines import AssetLines
from stac_asset.cli.output import print_json, print_message, print_problem
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.sync import Criteria, SyncSummary, sync_mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """The options of the command that are not fields of `Config`."""

    on_removed: OnRemoved = "keep"
    """Action for items that left the source."""

    max_items: int | None = None
    """Maximum number of items per run."""

    max_bytes: int | None = None
    """Maximum number of bytes to download per run."""

    dry_run: bool = False
    """Show the planned changes."""

    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
    """Maximum number of assets downloaded at the same time."""

    as_json: bool = False
    """Print the result of the run as JSON."""

    quiet: bool = False
    """Print only errors and warnings."""

    verbose: bool = False
    """Print a line for each asset."""


async def sync(
    source: str,
    directory: str,
    search: Mapping[str, Any],
    config: Config,
    options: SyncOptions,
) -> int:
    """Run a mirror once, and print the result.

    Args:
        source: Href of the source.
        directory: The directory of the mirror, or the URL of a prefix.
        search: The fields of the search.
        config: The configuration.
        options: The other options.

    Returns:
        1 if the mirror has no items after the run. Without `Config.warn`, also 1 if items
        failed, or if the source did not return all items. Otherwise 0.

    Raises:
        StacAssetError: The run cannot start. With `Config.fail_fast`, also: an asset failed.
    """
    has_bar = not options.quiet and sys.stderr.isatty()
    summary = await sync_mirror(
        source,
        directory,
        Criteria(**search),
        config,
        on_removed=options.on_removed,
        max_items=options.max_items,
        max_bytes=options.max_bytes,
        dry_run=options.dry_run,
        max_concurrent_downloads=options.limit,
        reporter=AssetLines(has_bar) if options.verbose else None,
        progress=has_bar,
    )
    code = _exit_code(summary, config.warn)
    _print(summary, options)
    error = summary.error
    if error is not None:
        first, *_ = error.message.splitlines()
        print_problem(first, code == 1, map(str, summary.errors))
    elif summary.is_empty:
        print_problem("the source has no items that match the search. Check the search options.")
    elif summary.items.incomplete and not options.dry_run:
        reasons = ", ".join(summary.items.incomplete)
        print_problem(f"the mirror is not complete: {reasons}", is_error=code == 1)
    return code


def _exit_code(summary: SyncSummary, warn: bool) -> int:
    """Return the exit code. Items that are left because of a limit are no errors."""
    has_nothing = not summary.mirrored and summary.plan is None
    if summary.is_empty or has_nothing:
        return 1
    has_failed = bool(summary.errors or summary.items.failed_items)
    return 1 if (has_failed or not summary.is_source_complete) and not warn else 0


def _print(summary: SyncSummary, options: SyncOptions) -> None:
    if options.as_json:
        print_json(summary.to_dict())
    elif options.dry_run and not options.quiet:
        _print_items(summary)
    elif not options.quiet and not summary.is_empty:
        click.echo(summary.document)
    if not options.quiet:
        print_message(str(summary))


def _print_items(summary: SyncSummary) -> None:
    """Print the table of the planned items."""
    from stac_asset.cli.tables import print_table

    rows = summary.plan.rows if summary.plan is not None else ()
    if not rows:
        return
    columns = ("item", "collection", "reason", "assets", "bytes")
    print_table(
        columns, ((row.id, row.collection, row.reason, row.assets, row.bytes) for row in rows)
    )
