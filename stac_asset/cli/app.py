"""The command line: what to do is read here, and done in `stac_asset.commands`.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from stac_asset.cli.options import config_options, read_config
from stac_asset.cli.plugins import PluginGroup
from stac_asset.errors import StacAssetError

_T = TypeVar("_T")


def main() -> None:
    """Runs the command line, and exits.

    The exit code is 0, 1 after an error, 2 where the arguments are no command, or 130 after
    Ctrl-C. Errors of ours are one sentence each, on standard error.
    """
    _open_standard_streams()
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.Abort:
        # What was received stays in part files.
        click.echo("interrupted: the same command goes on from here", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except StacAssetError as error:
        from stac_asset.cli.tables import printable

        click.echo(f"error: {printable(str(error))}", err=True)
        code = 1
    except OSError as error:
        # All others are mapped where they arise. What was downloaded stays.
        click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        sys.stdout = None  # Nothing more is to be said there, nor flushed at the end.
        code = 1
    sys.exit(code)


def _open_standard_streams() -> None:
    """Opens those that are closed, so that no file or socket gets their places."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115 - open until the end


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prefect-stac-asset", prog_name="stac-asset")
def app() -> None:
    """Download the assets of STAC items, collections and item collections.

    What no option says comes from the environment (STAC_ASSET_INCLUDE=B04,B08) or the file .env,
    each option under the name of its field in stac_asset.Config.
    """


@app.command()
@click.argument("href")
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--file-name", help="The name of the rewritten document, in the directory.")
@click.option(
    "-t",
    "--path-template",
    help="Where each item of an item collection goes, e.g. '${collection}/${year}/${id}'.",
)
@click.option(
    "-k", "--keep", is_flag=True, help="Keep assets on the document that are not downloaded."
)
@click.option(
    "--stream/--no-stream", default=None, help="Write files as they arrive, or from memory."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@config_options
def download(
    href: str,
    directory: Path,
    file_name: str | None,
    path_template: str | None,
    keep: bool,
    stream: bool | None,
    quiet: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Download the assets of HREF to DIRECTORY.

    HREF is a URL or a path of an item, a collection or an item collection; - is standard input.
    Prints the path of the rewritten document, and what became of the assets. Files that are there
    already and still good are not fetched again.
    """
    from stac_asset.cli import commands

    return _run(
        commands.download(
            _source(href),
            directory,
            read_config(options),
            commands.CommandOptions(
                file_name, path_template, keep, stream, quiet, max_concurrent_downloads
            ),
        )
    )


@app.command()
@click.argument("href")
@config_options
def info(href: str, max_concurrent_downloads: int, **options: Any) -> int:
    """Show the assets of HREF, and what their sources say of them.

    HREF is a URL or a path of an item, a collection or an item collection; - is standard input.
    """
    from stac_asset.cli import commands

    return _run(commands.info(_source(href), read_config(options), max_concurrent_downloads))


@app.command()
@click.argument("href")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--file-name", help="The name of the rewritten document, in the directory.")
@click.option(
    "-t",
    "--path-template",
    help="Where each item of an item collection goes, e.g. '${collection}/${year}/${id}'.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@config_options
def plan(
    href: str,
    directory: Path,
    file_name: str | None,
    path_template: str | None,
    as_json: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Show what downloading HREF to DIRECTORY would do. Writes nothing.

    HREF is a URL or a path of an item, a collection or an item collection; - is standard input.
    """
    from stac_asset.cli import commands

    chosen = commands.CommandOptions(file_name, path_template, limit=max_concurrent_downloads)
    return _run(commands.plan(_source(href), directory, read_config(options), chosen, as_json))


@app.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--repair", is_flag=True, help="Download again what is missing or wrong, from its source."
)
@config_options
def verify(directory: Path, repair: bool, max_concurrent_downloads: int, **options: Any) -> int:
    """Verify the files of DIRECTORY by the sizes and checksums that its STAC documents say.

    Changes nothing without --repair. What lies outside of DIRECTORY is never touched.
    """
    from stac_asset.cli import verify as verify_command

    config = read_config(options)
    return _run(verify_command.verify(directory, config, repair, max_concurrent_downloads))


def _source(href: str) -> str | bytes:
    """Returns an href, or the document that standard input holds.

    It is read before the event loop starts, which a read that waits would make deaf to Ctrl-C.
    """
    return sys.stdin.buffer.read() if href == "-" else href


def _run(command: Coroutine[Any, Any, _T]) -> _T:
    from stac_asset.concurrency import new_runner

    with new_runner() as runner:
        return runner.run(command)
