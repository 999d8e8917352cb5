"""The command `stac-asset plan`. `stac_asset.cli.arguments.documents` parses the arguments."""

from __future__ import annotations

import click

from stac_asset.api.dry_run import Plan, dry_run
from stac_asset.api.run import Run
from stac_asset.cli.commands.download import DownloadOptions
from stac_asset.cli.commands.source import plan_document, read_document
from stac_asset.cli.names import as_typed
from stac_asset.cli.output import print_json, print_problem
from stac_asset.cli.tables import print_table
from stac_asset.clients import Clients
from stac_asset.config import Config

_CHANGES = 3
"""Exit code of `plan --exit-code` if there are files to download."""


async def plan(
    source: str | bytes,
    directory: str,
    config: Config,
    options: DownloadOptions,
    exit_code: bool = False,
) -> int:
    """Print the plan of a download, without downloading.

    Args:
        source: The href of the document as a string, or the document as bytes.
        directory: The directory of the files.
        config: The configuration.
        options: The other options.
        exit_code: Return 3 if there are files to download.

    Returns:
        1 if the plan cannot be carried out. Otherwise 0, or 3 with `exit_code`. With `Config.warn`,
        assets that cannot be downloaded are no reason for 1.

    Raises:
        StacAssetError: The document cannot be read, or cannot be planned.
    """
    async with Clients(config) as clients:
        run = Run(directory, config, clients=clients)
        stac = await read_document(source, clients, config)
        planned = plan_document(run, stac, source, options.file_name, options.path_template)
        found = await dry_run(run, planned, options.limit)
    code = _plan_code(found, config, exit_code)
    if options.as_json:
        print_json(found.to_dict())
        return code
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
    for problem in found.problems:
        print_problem(problem, is_error=code == 1)
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
