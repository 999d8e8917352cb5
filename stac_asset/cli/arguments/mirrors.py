"""The arguments of the commands about a mirror: `sync` and `audit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from stac_asset.cli.options import (
    config_options,
    estimate_options,
    json_option,
    read_config,
    reporting_options,
)
from stac_asset.cli.running import run
from stac_asset.cli.search_options import search_options, take_search

_F = TypeVar("_F", bound=Callable[..., Any])


def _mirror_arguments(command: _F) -> _F:
    """Add the arguments that name a mirror: the source, the directory and the search."""
    directory = click.argument("directory", type=click.Path(file_okay=False))
    return click.argument("source")(directory(search_options(command)))


def _on_removed(text: str) -> Callable[[_F], _F]:
    return click.option(
        "--on-removed",
        type=click.Choice(["keep", "mark", "delete"]),
        default="keep",
        show_default=True,
        help=text,
    )


@click.command()
@_mirror_arguments
@_on_removed("Action for items that left SOURCE.")
@click.option(
    "--max-items",
    type=click.IntRange(min=1),
    metavar="N",
    help="Maximum number of items per run. Further items are left for the next run.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Maximum number of bytes to download per run. Further items are left for the next run.",
)
@click.option("--dry-run", is_flag=True, help="Show the planned changes. No file is written.")
@reporting_options
@estimate_options
@config_options
def sync(
    source: str,
    directory: str,
    on_removed: Any,
    max_items: int | None,
    max_bytes: int | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Mirror SOURCE to DIRECTORY. Each run downloads items that are new or changed.

    SOURCE is the URL of a STAC API, or the URL or path of a static catalog or of a file with items.
    DIRECTORY is a static STAC catalog, and can be a prefix such as s3://bucket/prefix. Checksums
    are always written. The flow sync of Prefect has the same options, and uses the same mirrors.

    The exit code is 1 if items failed, if SOURCE did not return all items, or if the mirror has no
    items after the run. Items that are left because of --max-items or --max-bytes are no
    errors.
    """
    from stac_asset.cli.commands.sync import SyncOptions, sync

    search = take_search(options)
    chosen = SyncOptions(
        on_removed=on_removed,
        max_items=max_items,
        max_bytes=max_bytes,
        dry_run=dry_run,
        limit=max_concurrent_downloads,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose,
    )
    return run(sync(source, directory, search, read_config(options), chosen))


@click.command()
@_mirror_arguments
@click.option("--report", metavar="FILE", help="File for a row of JSON per difference.")
@click.option("--read-files", is_flag=True, help="Read all files, to compare the checksums.")
@click.option(
    "--repair", is_flag=True, help="Update the mirror, and replace missing and corrupt files."
)
@_on_removed("With --repair, the action for items that left SOURCE.")
@json_option
@config_options
def audit(
    source: str,
    directory: str,
    report: str | None,
    read_files: bool,
    repair: bool,
    on_removed: Any,
    as_json: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Compare the mirror in DIRECTORY with SOURCE. No asset is downloaded without --repair.

    SOURCE is the URL of a STAC API, or the URL or path of a static catalog or of a file with items.
    DIRECTORY can be a prefix such as s3://bucket/prefix. Give the same search, --include and
    --exclude as for the mirror. The result is the number of items and assets that are missing,
    extra, outdated, corrupt or inconsistent.

    The exit code is 1 if there are differences, or if SOURCE did not return all items or returned
    none. With --warn, the exit code is 0.
    """
    from stac_asset.cli.commands.audit import AuditOptions, audit

    search = take_search(options)
    chosen = AuditOptions(report, read_files, repair, on_removed, max_concurrent_downloads, as_json)
    return run(audit(source, directory, search, read_config(options), chosen))
