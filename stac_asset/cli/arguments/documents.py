"""The arguments of the commands about a document: `download`, `info` and `plan`."""

from __future__ import annotations

import sys
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

_F = TypeVar("_F", bound=Callable[..., Any])

_STREAM = {"true": True, "false": False, "defer": None}

_FILE_OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "-f", "--file-name", metavar="NAME", help="Name of the new document, relative to DIRECTORY."
    ),
    click.option(
        "-p",
        "-t",
        "--path-template",
        metavar="TEMPLATE",
        help="Folder of each item of an item collection, e.g. '${collection}/${year}/${id}'.",
    ),
]


def _file_options(command: _F) -> _F:
    """Add the options about the files of a download."""
    for option in reversed(_FILE_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("href", required=False)
@click.argument("directory", default=".", type=click.Path(file_okay=False))
@_file_options
@click.option(
    "--keep-unselected",
    is_flag=True,
    help="Keep assets in the new document that --include and --exclude do not select.",
)
@click.option(
    "--stream",
    type=click.Choice(list(_STREAM)),
    default="defer",
    show_default=True,
    help="Write files while they arrive, or receive each file in memory first (false).",
)
@click.option("--no-stream", is_flag=True, help="The same as --stream false.")
@reporting_options
@config_options
def download(
    href: str | None,
    directory: str,
    file_name: str | None,
    path_template: str | None,
    keep_unselected: bool,
    stream: str,
    no_stream: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Download the assets of HREF to DIRECTORY, by default the working directory.

    HREF is the URL or path of an item, a collection or an item collection. Item collections may
    be JSON, newline-delimited JSON or stac-geoparquet. Without HREF, or with -, the document is
    read from standard input. Existing files that are complete and valid are not downloaded again.

    The new document references the downloaded files, and is written to DIRECTORY. The document is
    also printed, with absolute hrefs, unless --file-name, --json or --quiet is given.

    The exit code is 1 if assets failed, or if there are no assets to download.
    """
    from stac_asset.cli.commands.download import DownloadOptions, download

    chosen = DownloadOptions(
        file_name=file_name,
        path_template=path_template,
        keep=keep_unselected,
        stream=False if no_stream else _STREAM[stream],
        limit=max_concurrent_downloads,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose,
    )
    config = read_config(options)
    return run(download(_source(href), directory, config, chosen))


@click.command()
@click.argument("href", required=False)
@json_option
@config_options
def info(href: str | None, as_json: bool, max_concurrent_downloads: int, **options: Any) -> int:
    """List the assets of HREF, and check the source of each asset.

    HREF is the URL or path of an item, a collection or an item collection. Item collections may
    be JSON, newline-delimited JSON or stac-geoparquet. Without HREF, or with -, the document is
    read from standard input.

    The exit code is 1 if a source does not have an asset or does not send it, or if no asset is
    selected. With --warn, missing assets do not change the exit code.
    """
    from stac_asset.cli.commands.info import info

    config = read_config(options)
    return run(info(_source(href), config, max_concurrent_downloads, as_json))


@click.command()
@click.argument("href", required=False)
@click.argument("directory", default=".", type=click.Path(file_okay=False))
@_file_options
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 3 if there are files to download.")
@estimate_options
@config_options
def plan(
    href: str | None,
    directory: str,
    file_name: str | None,
    path_template: str | None,
    as_json: bool,
    exit_code: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Show the plan of a download of HREF to DIRECTORY. No file is written.

    The exit code is 1 if DIRECTORY cannot be created, if the files do not fit on the disk, or if an
    asset cannot be downloaded. With --exit-code, the exit code is 3 if there are files to download.

    HREF is the URL or path of an item, a collection or an item collection. Item collections may
    be JSON, newline-delimited JSON or stac-geoparquet. Without HREF, or with -, the document is
    read from standard input.
    """
    from stac_asset.cli.commands.download import DownloadOptions
    from stac_asset.cli.commands.plan import plan

    chosen = DownloadOptions(
        file_name=file_name,
        path_template=path_template,
        limit=max_concurrent_downloads,
        as_json=as_json,
    )
    return run(plan(_source(href), directory, read_config(options), chosen, exit_code))


def _source(href: str | None) -> str | bytes:
    """Return the href, or the document on standard input if the href is missing or `-`.

    Standard input is read before the event loop starts. In the event loop, a blocking read would
    delay Ctrl-C.

    Raises:
        click.UsageError: There is neither an href nor a document on standard input.
    """
    if href is not None and href != "-":
        return href
    if href is None and sys.stdin.isatty():
        raise click.UsageError("HREF is missing. Give the URL or path of a document, or pipe one.")
    document = sys.stdin.buffer.read()
    if href is None and not document.strip():
        raise click.UsageError(
            "HREF is missing, and standard input is empty. Give the URL or path of a document, or "
            "pipe one."
        )
    return document
