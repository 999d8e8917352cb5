"""What the commands of the command line do; each returns its exit code."""

from __future__ import annotations

import json
import sys
import time
import warnings
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pystac
from rich.filesize import decimal

from stac_asset.api.dry_run import dry_run
from stac_asset.api.run import Run
from stac_asset.cli.progress import new_queue, show_progress
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
from stac_asset.plan.planner import Planner, owner_name
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href
from stac_asset.stac.parse import Stac, stac_of
from stac_asset.stac.read import read_stac
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Downloaded, Failed, MessageQueue, Outcome, Skipped, Transfer

_STDIN = "standard input"
_DOCUMENTS: dict[type, str] = {
    pystac.Collection: "collection.json",
    pystac.ItemCollection: "item-collection.json",
}
"""What documents are called that are not called after their id."""


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What the commands can be told that is not in `Config`."""

    file_name: str | None = None
    """The name of the rewritten document."""

    path_template: str | None = None
    """Where the files of an item go, in an item collection."""

    keep: bool = False
    """Whether assets stay on the document that were not wanted."""

    stream: bool | None = None
    """Whether files are written as they arrive."""

    quiet: bool = False
    """Whether nothing but errors is printed."""

    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
    """How many assets are in work at once."""


async def download(
    source: str | bytes, directory: Path, config: Config, options: CommandOptions
) -> int:
    """Downloads what a document names, and prints where the rewritten document is.

    Args:
        source: The href of the document, or the document.
        directory: Where to.
        config: How.
        options: How, too.

    Returns:
        1 if assets failed and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: Nothing was written; or with `Config.fail_fast`, an asset failed.
    """
    started = time.monotonic()
    messages = new_queue() if _has_bar(options) else None
    async with Clients(config) as clients:
        stac = await _read(source, clients, config)
        run = Run(directory, config, messages, clients, options.limit, options.stream)
        work = _plan(run, stac, source, options)
        failed = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DownloadWarning)  # They are printed below.
            try:
                async with _bar(messages, sum(isinstance(entry, Transfer) for entry in work)):
                    match stac:
                        case pystac.ItemCollection():
                            await run.download_collection(stac, work, options.keep)
                        case pystac.Collection():
                            await run.download(stac, work, options.keep)
                        case _:
                            await run.download(stac, work, options.keep)
            except DownloadError:
                failed = True
    if not options.quiet:
        click.echo(work.document)
        click.echo(_counts(run.outcomes, time.monotonic() - started))
    errors = [outcome.error for outcome in run.outcomes if isinstance(outcome, Failed)]
    if errors:
        first, *_ = DownloadError(errors, total=len(run.outcomes)).message.splitlines()
        click.echo(f"{'error' if failed else 'warning'}: {first}", err=True)
        for error in errors:
            click.echo(f"- {printable(str(error))}", err=True)
    return 1 if failed else 0


async def info(source: str | bytes, config: Config, limit: int) -> int:
    """Prints a table of what sources say of the assets that a document names.

    Args:
        source: The href of the document, or the document.
        config: Which assets, and how to ask.
        limit: How many sources are asked at once.

    Returns:
        0

    Raises:
        StacAssetError: The document cannot be read, or has no assets.
    """
    planner = Planner(Path(), config)
    async with Clients(config) as clients:
        stac = await _read(source, clients, config)
        owners = list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]
        entries = [
            (owner, key, asset, planner.asset(key, asset, owner))
            for owner in owners
            for key, asset in owner.assets.items()
            if planner.wants(key)
        ]
        if not entries:
            raise NoAssetsError(f"'{_name(source)}' has no assets that are wanted")
        transfers = [entry for *_, entry in entries if isinstance(entry, Transfer)]
        found = await probe_all(transfers, clients, config, limit)
    findings = {id(transfer): finding for transfer, finding in zip(transfers, found, strict=True)}
    rows = [
        (owner_name(owner), key, *_cells(entry, asset.media_type, findings.get(id(entry))))
        for owner, key, asset, entry in entries
    ]
    columns = ("owner", "key", "client", "exists", "bytes", "media type", "note")
    first = 0 if len(owners) > 1 else 1
    print_table(columns[first:], (row[first:] for row in rows))
    return 0


async def plan(
    source: str | bytes, directory: Path, config: Config, options: CommandOptions, as_json: bool
) -> int:
    """Prints what a download would do.

    Args:
        source: The href of the document, or the document.
        directory: Where to.
        config: How.
        options: How, too.
        as_json: Whether to print JSON instead of a table.

    Returns:
        0

    Raises:
        StacAssetError: The document cannot be read, or cannot be downloaded so.
    """
    async with Clients(config) as clients:
        stac = await _read(source, clients, config)
        run = Run(directory, config, clients=clients)
        found = await dry_run(run, _plan(run, stac, source, options), options.limit)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return 0
    print_table(
        ("owner", "key", "action", "client", "bytes", "path", "note"),
        (
            (row.owner, row.key, row.action, row.client, row.size, row.path, row.note)
            for row in found.rows
        ),
    )
    click.echo(found)
    return 0


async def _read(source: str | bytes, clients: Clients, config: Config) -> Stac:
    if isinstance(source, str):
        return await read_stac(source, clients, config)
    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{_STDIN} is no JSON: {error}") from None
    return stac_of(document, None, _STDIN)


def _plan(run: Run, stac: Stac, source: str | bytes, options: CommandOptions) -> PlannedRun:
    work = _work(run, stac, source, options)
    if run.config.include and not any(work.planned):
        keys = ", ".join(run.config.include)
        raise NoAssetsError(f"'{_name(source)}' has none of the assets to include: {keys}")
    return work


def _work(run: Run, stac: Stac, source: str | bytes, options: CommandOptions) -> PlannedRun:
    file_name = options.file_name or _DOCUMENTS.get(type(stac))
    if isinstance(stac, pystac.ItemCollection):
        href = source if isinstance(source, str) else None
        return run.plan_item_collection(stac, file_name, options.path_template, href)
    if options.path_template is not None:
        raise ConfigError(f"a path template is for item collections, and '{_name(source)}' is none")
    if isinstance(stac, pystac.Collection):
        return run.plan_collection(stac, file_name)
    try:
        return run.plan_item(stac, file_name)
    except NoAssetsError as error:
        raise NoAssetsError(f"'{_name(source)}': {error}") from None


def _name(source: str | bytes) -> str:
    return redact_href(source) if isinstance(source, str) else _STDIN


def _has_bar(options: CommandOptions) -> bool:
    return not options.quiet and sys.stderr.isatty()


def _bar(messages: MessageQueue | None, assets: int) -> AbstractAsyncContextManager[None]:
    return show_progress(messages, assets) if messages is not None else nullcontext()


def _counts(outcomes: list[Outcome], seconds: float) -> str:
    downloaded = [outcome for outcome in outcomes if isinstance(outcome, Downloaded)]
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    failed = len(outcomes) - len(downloaded) - skipped
    size = decimal(sum(outcome.size for outcome in downloaded))
    return (
        f"{len(downloaded)} downloaded ({size}), {skipped} skipped, {failed} failed "
        f"in {seconds:.1f} s"
    )


def _cells(
    entry: Transfer | Failed, media_type: str | None, finding: ProbeResult | None
) -> tuple[Any, ...]:
    """Returns client, exists, bytes, media type and note of one asset."""
    if finding is None or isinstance(entry, Failed):
        note = str(entry.error) if isinstance(entry, Failed) else None
        return None, None, None, media_type, note
    if finding.error is not None or finding.stat is None:
        exists = "no" if isinstance(finding.error, NotFoundError) else None
        return finding.client, exists, entry.size, media_type, finding.error
    size, actual = finding.stat.size, finding.stat.content_type
    size = size if size is not None else entry.size
    return finding.client, "yes", size, media_type or actual, None
