"""The command `stac-asset download`. `stac_asset.cli.arguments.documents` parses the arguments."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click
import pystac
from rich.filesize import decimal

from stac_asset.api.run import Run
from stac_asset.cli.asset_lines import AssetLines
from stac_asset.cli.commands.source import plan_document, read_document
from stac_asset.cli.output import print_json, print_message, print_problem
from stac_asset.clients import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.location import Location
from stac_asset.errors import DownloadError, DownloadWarning, HrefError
from stac_asset.hrefs import absolute_href
from stac_asset.plan.work import PlannedRun
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.parse import Stac
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, outcome_row

_CONTROL = re.compile(r"[\x7f-\x9f]")
"""Control characters that JSON does not escape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """The options of a download that are not fields of `Config`."""

    file_name: str | None = None
    """Name of the new document, relative to the directory."""

    path_template: str | None = None
    """Template for the folder of each item of an item collection."""

    keep: bool = False
    """Keep assets in the document that are not selected."""

    stream: bool | None = None
    """If False, each file is read into memory before the first byte is written."""

    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
    """Maximum number of assets downloaded or checked at the same time."""

    as_json: bool = False
    """Print the result of the run as JSON, in place of the new document."""

    quiet: bool = False
    """Print only errors and warnings."""

    verbose: bool = False
    """Print a line for each asset."""


async def download(
    source: str | bytes, directory: str, config: Config, options: DownloadOptions
) -> int:
    """Download the assets of a document, and print the new document.

    Args:
        source: The href of the document as a string, or the document as bytes.
        directory: The directory of the files.
        config: The configuration.
        options: The other options.

    Returns:
        1 if assets failed and `Config.warn` is not set, or if all assets failed. Otherwise 0.

    Raises:
        StacAssetError: The run cannot start. With `Config.fail_fast`, also: an asset failed.
    """
    started = time.monotonic()
    warn = config.warn
    if not config.fail_fast:
        # The new document is printed although assets failed.
        config = dataclasses.replace(config, warn=True)
    async with Clients(config) as clients:
        has_bar = not options.quiet and sys.stderr.isatty()
        run = Run(directory, config, None, clients, options.limit, options.stream, has_bar)
        if options.verbose:
            run.reporter = AssetLines(has_bar)
        async with run.destinations:
            await run.prepare()
            stac = await read_document(source, clients, config)
            work = plan_document(run, stac, source, options.file_name, options.path_template)
            new = await _downloaded(run, stac, work, options.keep)
    seconds = time.monotonic() - started
    code = _exit_code(run.outcomes, warn)
    _print_result(new, work, run, options, seconds)
    errors = [outcome.error for outcome in run.outcomes if isinstance(outcome, Failed)]
    if errors:
        first, *_ = DownloadError(errors, total=len(run.outcomes)).message.splitlines()
        print_problem(first, code == 1, map(str, errors))
    return code


async def _downloaded(run: Run, stac: Stac, work: PlannedRun, keep: bool) -> Stac:
    """Download the planned assets, and return the new object."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DownloadWarning)  # The caller prints the errors.
        if isinstance(stac, pystac.ItemCollection):
            return await run.download_item_collection(stac, work, keep)
        if isinstance(stac, pystac.Collection):
            return await run.download(stac, work, keep)
        return await run.download(stac, work, keep)


def _exit_code(outcomes: Sequence[Outcome], warn: bool) -> int:
    """Return the exit code of a download."""
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    if failed == len(outcomes):
        return 1
    return 1 if failed and not warn else 0


def _print_result(
    new: Stac, work: PlannedRun, run: Run, options: DownloadOptions, seconds: float
) -> None:
    """Print the document or the counts on standard output, and messages on standard error."""
    if options.as_json:
        print_json(result_row(run, seconds))
    if options.quiet:
        return
    if not options.as_json and options.file_name is not None:
        if run.has_written:
            click.echo(f"Output STAC JSON written to {run.document}")
    elif not options.as_json:
        click.echo(_printable_json(_absolute_document(new, work.document)))
    print_message(f"{_counts(run.outcomes, seconds)}: {run.document or 'no document written'}")


def result_row(run: Run, seconds: float) -> dict[str, Any]:
    """Return the result of a run as a JSON object.

    Args:
        run: The run, after the download.
        seconds: The duration of the run, in seconds.
    """
    downloaded, skipped, failed = _sorted(run.outcomes)
    return {
        "directory": str(run.directory),
        "document": None if run.document is None else str(run.document),
        "downloaded": len(downloaded),
        "skipped": len(skipped),
        "failed": len(failed),
        "bytes": sum(outcome.size for outcome in downloaded),
        "seconds": round(seconds, 3),
        "failures": [outcome_row(outcome) for outcome in failed],
    }


def _printable_json(document: dict[str, Any]) -> bytes:
    """Return a document as JSON, in which characters that control a terminal are escaped."""
    text = json_bytes(document).decode()
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _absolute_document(new: Stac, document: Location | None) -> dict[str, Any]:
    """Return the new document with absolute hrefs. Item collections have absolute hrefs already."""
    found = document_of(new)
    for asset in found.get("assets", {}).values():
        with suppress(HrefError):
            asset["href"] = absolute_href(asset.get("href"), str(document))
    return found


def _counts(outcomes: Sequence[Outcome], seconds: float) -> str:
    downloaded, skipped, failed = _sorted(outcomes)
    size = decimal(sum(outcome.size for outcome in downloaded))
    return (
        f"{len(downloaded)} downloaded ({size}), {len(skipped)} skipped, {len(failed)} failed "
        f"in {seconds:.1f} s"
    )


def _sorted(
    outcomes: Sequence[Outcome],
) -> tuple[list[Downloaded], list[Skipped], list[Failed]]:
    return (
        [outcome for outcome in outcomes if isinstance(outcome, Downloaded)],
        [outcome for outcome in outcomes if isinstance(outcome, Skipped)],
        [outcome for outcome in outcomes if isinstance(outcome, Failed)],
    )
