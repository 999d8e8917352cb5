"""The commands `download`, `info` and `plan`. Each function returns the exit code.

`stac_asset.cli.app` parses the arguments.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pystac
from rich.filesize import decimal

from stac_asset.api.dry_run import Plan, dry_run
from stac_asset.api.run import Run
from stac_asset.cli.names import as_typed
from stac_asset.cli.tables import print_table, printable
from stac_asset.clients import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.errors import (
    ConfigError,
    DownloadError,
    DownloadWarning,
    NoAssetsError,
    NotFoundError,
    SourceError,
)
from stac_asset.plan.owners import owner_name
from stac_asset.plan.planner import Planner
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href
from stac_asset.stac.compression import decompressed
from stac_asset.stac.given import read_source
from stac_asset.stac.item_collections import ReadItems
from stac_asset.stac.json_text import loads
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import Stac
from stac_asset.stac.read import read_pages
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer

_CHANGES = 3
"""Exit code of `plan --exit-code` if there are files to download."""

_STDIN = "standard input"


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """The options of a command that are not fields of `Config`."""

    file_name: str | None = None
    """Name of the rewritten document, relative to the directory."""

    path_template: str | None = None
    """Template for the folder of each item of an item collection."""

    keep: bool = False
    """Keep assets in the document that are not selected."""

    stream: bool | None = None
    """If False, each file is read into memory before the first byte is written."""

    quiet: bool = False
    """Print only errors."""

    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
    """Maximum number of assets downloaded or checked at the same time."""


async def download(
    source: str | bytes, directory: str, config: Config, options: CommandOptions
) -> int:
    """Download the assets of a document, and print the path of the rewritten document.

    Args:
        source: The href of the document as a string, or the document as bytes.
        directory: The directory of the files.
        config: The configuration.
        options: The other options.

    Returns:
        1 if assets failed and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: The run cannot start. With `Config.fail_fast`, also: an asset failed.
    """
    started = time.monotonic()
    async with Clients(config) as clients:
        has_bar = not options.quiet and sys.stderr.isatty()
        run = Run(directory, config, None, clients, options.limit, options.stream, has_bar)
        async with run.destinations:
            await run.prepare()
            stac = await _read(source, clients, config)
            work = _plan(run, stac, source, options)
            failed = not await _downloaded(run, stac, work, options)
    if not options.quiet:
        click.echo(work.document)
        click.echo(_counts(run.outcomes, time.monotonic() - started))
    errors = [outcome.error for outcome in run.outcomes if isinstance(outcome, Failed)]
    if errors:
        first, *_ = DownloadError(errors, total=len(run.outcomes)).message.splitlines()
        click.echo(f"{'error' if failed else 'warning'}: {first}", err=True)
        for error in errors:
            click.echo(f"- {printable(as_typed(str(error)))}", err=True)
    return 1 if failed else 0


async def _downloaded(run: Run, stac: Stac, work: PlannedRun, options: CommandOptions) -> bool:
    """Download the planned assets, and return whether all succeeded or `Config.warn` is set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DownloadWarning)  # The caller prints the errors.
        try:
            match stac:
                case pystac.ItemCollection():
                    await run.download_item_collection(stac, work, options.keep)
                case pystac.Collection():
                    await run.download(stac, work, options.keep)
                case _:
                    await run.download(stac, work, options.keep)
        except DownloadError:
            return False
    return True


async def info(source: str | bytes, config: Config, limit: int) -> int:
    """Print a table of the assets of a document, with the answers of the sources.

    Args:
        source: The href of the document as a string, or the document as bytes.
        config: The configuration. `include` and `exclude` select the assets.
        limit: Maximum number of sources to ask at the same time.

    Returns:
        0

    Raises:
        StacAssetError: The document cannot be read, or has no selected assets.
    """
    planner = Planner(Path(), config, LOCAL_FACTS)
    async with Clients(config) as clients:
        stac = await _read(source, clients, config)
        owners = list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]
        entries = [
            (owner, key, asset, planner.asset(key, asset, owner))
            for owner in owners
            for key, asset in planner.selected(owner)
        ]
        planner.check_selection()
        if not entries:
            raise NoAssetsError(
                f"'{_name(source)}' has no assets that `include` and `exclude` select. "
                "Check both options and the asset keys."
            )
        transfers = [entry for *_, entry in entries if isinstance(entry, Transfer)]
        found = await probe_all(transfers, clients, config, limit)
    results = {id(transfer): result for transfer, result in zip(transfers, found, strict=True)}
    rows = [
        (owner_name(owner), key, *_cells(entry, asset.media_type, results.get(id(entry))))
        for owner, key, asset, entry in entries
    ]
    if isinstance(stac, ReadItems):
        rows += [(one.name, "", None, None, None, None, str(one.error)) for one in stac.invalid]
    columns = ("owner", "key", "client", "exists", "bytes", "media type", "note")
    first = 0 if len(owners) > 1 else 1
    print_table(columns[first:], (row[first:] for row in rows))
    return 0


async def plan(
    source: str | bytes,
    directory: str,
    config: Config,
    options: CommandOptions,
    as_json: bool,
    exit_code: bool = False,
) -> int:
    """Print the plan of a download, without downloading.

    Args:
        source: The href of the document as a string, or the document as bytes.
        directory: The directory of the files.
        config: The configuration.
        options: The other options.
        as_json: Print JSON instead of a table.
        exit_code: Return 3 if there are files to download.

    Returns:
        1 if the plan cannot be carried out. Otherwise 0, or 3 with `exit_code`. With `Config.warn`,
        assets that cannot be downloaded are no reason for 1.

    Raises:
        StacAssetError: The document cannot be read, or cannot be planned.
    """
    async with Clients(config) as clients:
        run = Run(directory, config, clients=clients)
        stac = await _read(source, clients, config)
        found = await dry_run(run, _plan(run, stac, source, options), options.limit)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return _plan_code(found, config, exit_code)
    print_table(
        ("owner", "key", "action", "reason", "client", "bytes", "path", "note"),
        (
            (
                row.owner,
                row.key,
                row.action,
                row.reason,
                row.client,
                row.size,
                row.path,
                _note(row.note),
            )
            for row in found.rows
        ),
    )
    click.echo(found)
    code = _plan_code(found, config, exit_code)
    for problem in found.problems:
        kind = "error" if code == 1 else "warning"
        click.echo(f"{kind}: {printable(as_typed(problem))}", err=True)
    return code


def _plan_code(found: Plan, config: Config, exit_code: bool) -> int:
    """Return the exit code of a plan."""
    has_problem = bool(found.problems)
    if config.warn:
        has_problem = found.directory_problem is not None or found.fits is False
    if has_problem:
        return 1
    return _CHANGES if exit_code and found.count("download") else 0


def _note(note: str | None) -> str | None:
    return None if note is None else as_typed(note)


async def _read(source: str | bytes, clients: Clients, config: Config) -> Stac:
    if isinstance(source, str):
        return await read_source(source, clients, config)
    try:
        document = loads(decompressed(source), _STDIN)
    except ValueError as error:
        raise SourceError(f"{_STDIN} is not valid JSON: {error}") from None
    return await read_pages(document, None, _STDIN, clients, config)


def _plan(run: Run, stac: Stac, source: str | bytes, options: CommandOptions) -> PlannedRun:
    try:
        return _work(run, stac, source, options)
    except NoAssetsError as error:
        raise NoAssetsError(f"'{_name(source)}': {error}") from None


def _work(run: Run, stac: Stac, source: str | bytes, options: CommandOptions) -> PlannedRun:
    file_name = options.file_name
    if isinstance(stac, pystac.ItemCollection):
        href = source if isinstance(source, str) else None
        name = file_name or "item-collection.json"
        return run.plan_item_collection(stac, name, options.path_template, href)
    if options.path_template is not None:
        raise ConfigError(
            f"`path_template` is only for item collections, and '{_name(source)}' is not an item "
            "collection. Remove `--path-template`."
        )
    if isinstance(stac, pystac.Collection):
        return run.plan_collection(stac, file_name or "collection.json")
    return run.plan_item(stac, file_name)


def _name(source: str | bytes) -> str:
    return redact_href(source) if isinstance(source, str) else _STDIN


def _counts(outcomes: list[Outcome], seconds: float) -> str:
    if not outcomes:
        return f"no assets to download in {seconds:.1f} s"
    downloaded = [outcome for outcome in outcomes if isinstance(outcome, Downloaded)]
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    failed = len(outcomes) - len(downloaded) - skipped
    size = decimal(sum(outcome.size for outcome in downloaded))
    return (
        f"{len(downloaded)} downloaded ({size}), {skipped} skipped, {failed} failed "
        f"in {seconds:.1f} s"
    )


def _cells(
    entry: Transfer | Failed, media_type: str | None, result: ProbeResult | None
) -> tuple[Any, ...]:
    """Return the client, existence, bytes, media type and note of an asset."""
    if result is None or isinstance(entry, Failed):
        note = as_typed(str(entry.error)) if isinstance(entry, Failed) else None
        return None, None, None, media_type, note
    if result.error is not None or result.stat is None:
        exists = "no" if isinstance(result.error, NotFoundError) else None
        return result.client, exists, entry.size, media_type, as_typed(str(result.error))
    size, actual = result.stat.size, result.stat.content_type
    size = size if size is not None else entry.size
    return result.client, "yes", size, media_type or actual, None
