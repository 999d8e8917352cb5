"""The command line of `stac-asset`: the arguments of each command, and the exit code.

The modules `commands`, `verify`, `audit` and `clean` implement the commands. They are imported when
a command runs, so that `--help` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from stac_asset.cli.options import (
    config_options,
    destination_options,
    estimate_options,
    read_config,
)
from stac_asset.cli.plugins import PluginGroup
from stac_asset.cli.search_options import search_options, take_search
from stac_asset.errors import StacAssetError

_T = TypeVar("_T")


def main() -> None:
    """Run the command line, and exit.

    The exit code is 0 after success, 1 after an error, 2 for invalid arguments, or 130 after
    Ctrl-C. Errors of this library are printed on standard error, without a traceback.
    """
    _open_standard_streams()
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.Abort:
        # Received bytes stay in part files.
        click.echo("Interrupted. Run the same command again to resume.", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except StacAssetError as error:
        from stac_asset.cli.names import as_typed
        from stac_asset.cli.tables import printable

        click.echo(f"error: {printable(as_typed(str(error)))}", err=True)
        code = 1
    except OSError as error:
        # Other OSErrors are mapped where they are raised. Downloaded files stay.
        click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        sys.stdout = None  # Otherwise Python flushes the stream at exit, and fails again.
        code = 1
    sys.exit(code)


def _open_standard_streams() -> None:
    """Open closed standard streams. Otherwise a file or socket could get a standard descriptor."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115 - open until the end


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prefect-stac-asset", prog_name="stac-asset")
def app() -> None:
    """Download the assets of STAC items, collections and item collections.

    Options that are not given are read from environment variables (STAC_ASSET_INCLUDE=B04,B08) or
    from the file .env. The variables are named after the fields of stac_asset.Config.
    """


@app.command()
@click.argument("href")
@click.argument("directory", default=".", type=click.Path(file_okay=False))
@click.option("--file-name", help="Name of the rewritten document, relative to DIRECTORY.")
@click.option(
    "-t",
    "--path-template",
    help="Folder of each item of an item collection, e.g. '${collection}/${year}/${id}'.",
)
@click.option(
    "-k", "--keep", is_flag=True, help="Keep assets in the document that are not selected."
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Write files while they arrive, or receive each file in memory first.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@config_options
def download(
    href: str,
    directory: str,
    file_name: str | None,
    path_template: str | None,
    keep: bool,
    stream: bool | None,
    quiet: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Download the assets of HREF to DIRECTORY.

    HREF is the URL or path of an item, a collection or an item collection. Item collections may
    be JSON, newline-delimited JSON or stac-geoparquet. Use - for standard input. Prints the path of
    the rewritten document and the number of downloaded, skipped and failed assets. Existing files
    that are complete and valid are not downloaded again.
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
    """List the assets of HREF, and check the source of each asset.

    HREF is the URL or path of an item, a collection or an item collection. Item collections may
    be JSON, newline-delimited JSON or stac-geoparquet. Use - for standard input.
    """
    from stac_asset.cli import commands

    return _run(commands.info(_source(href), read_config(options), max_concurrent_downloads))


@app.command()
@click.argument("href")
@click.argument("directory", type=click.Path(file_okay=False))
@click.option("--file-name", help="Name of the rewritten document, relative to DIRECTORY.")
@click.option(
    "-t",
    "--path-template",
    help="Folder of each item of an item collection, e.g. '${collection}/${year}/${id}'.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 if there are files to download.")
@estimate_options
@config_options
def plan(
    href: str,
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
    be JSON, newline-delimited JSON or stac-geoparquet. Use - for standard input.
    """
    from stac_asset.cli import commands

    chosen = commands.CommandOptions(file_name, path_template, limit=max_concurrent_downloads)
    config = read_config(options)
    return _run(commands.plan(_source(href), directory, config, chosen, as_json, exit_code))


@app.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--repair", is_flag=True, help="Download missing and damaged files again, from their sources."
)
@click.option(
    "--remove-unknown",
    is_flag=True,
    help="Remove files in mirrors that no record of the mirror names.",
)
@click.option(
    "--read-objects",
    is_flag=True,
    help="Read the objects of an object store. By default, the checksums in their metadata are "
    "compared.",
)
@config_options
def verify(
    directory: str,
    repair: bool,
    remove_unknown: bool,
    read_objects: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Verify the files in DIRECTORY, which can be a prefix such as s3://bucket/prefix.

    The sizes and checksums of the files are compared with those in the STAC documents. Without
    --repair and --remove-unknown, no file is changed. Files outside DIRECTORY are never changed.
    """
    from stac_asset.cli import verify as verify_command

    config, limit = read_config(options), max_concurrent_downloads
    return _run(
        verify_command.verify(directory, config, repair, remove_unknown, limit, read_objects)
    )


@app.command()
@click.argument("source")
@click.argument("directory", type=click.Path(file_okay=False))
@search_options
@click.option("--report", metavar="FILE", help="File for a row of JSON per difference.")
@click.option("--read-files", is_flag=True, help="Read all files, to compare the checksums.")
@click.option(
    "--repair", is_flag=True, help="Update the mirror, and replace missing and corrupt files."
)
@click.option(
    "--on-removed",
    type=click.Choice(["keep", "mark", "delete"]),
    default="keep",
    show_default=True,
    help="With --repair, the action for items that left SOURCE.",
)
@config_options
def audit(
    source: str,
    directory: str,
    report: str | None,
    read_files: bool,
    repair: bool,
    on_removed: Any,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Compare the mirror in DIRECTORY with SOURCE. No asset is downloaded without --repair.

    SOURCE is the URL of a STAC API, or the URL or path of a static catalog or of a file with items.
    DIRECTORY can be a prefix such as s3://bucket/prefix. Give the same search, --include and
    --exclude as for the mirror. Prints the number of items and assets that are missing, extra,
    outdated, corrupt or inconsistent. The exit code is 1 if there are any, or if SOURCE did not
    return all items.
    """
    from stac_asset.cli import audit as audit_command

    search = take_search(options)
    given = audit_command.AuditOptions(
        report, read_files, repair, on_removed, max_concurrent_downloads
    )
    return _run(audit_command.audit(source, directory, search, read_config(options), given))


@app.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--older-than",
    default="1d",
    show_default=True,
    metavar="AGE",
    help="Minimum age since the last write, such as 30m, 12h or 7d.",
)
@click.option("--dry-run", is_flag=True, help="List the leftovers, and remove nothing.")
@destination_options
def clean(
    directory: str,
    older_than: str,
    dry_run: bool,
    **options: Any,
) -> int:
    """Remove the leftovers of interrupted downloads from DIRECTORY.

    DIRECTORY can be a prefix such as s3://bucket/prefix. In a directory, part files and their notes
    are removed. In a bucket, unfinished uploads of this program are aborted. Downloads that are
    running are not disturbed, if their last write is younger than the given age.
    """
    from stac_asset.cli import clean as clean_command

    try:
        age = clean_command.parse_age(older_than)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from None
    return _run(clean_command.clean(directory, read_config(options), age, dry_run))


@app.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_options
def config(as_json: bool, max_concurrent_downloads: int, **options: Any) -> int:
    """Show the value of each option, and where the value comes from.

    Options of the command line come before environment variables, and these before the file .env.
    Secrets are not shown.
    """
    from stac_asset.cli import show_config

    given = {name for name, value in options.items() if value not in (None, (), {})}
    return show_config.show_config(read_config(options), given, as_json)


@app.command()
@click.argument("directory", default=".", type=click.Path(file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(directory: str, as_json: bool) -> int:
    """Check the installation, the machine and the credentials, for downloads to DIRECTORY.

    Prints the finding of each check, and what to do. No secret is sent or shown. The exit code is 1
    if a finding is a problem.
    """
    from stac_asset.cli.doctor import doctor as run_checks

    return _run(run_checks(directory, as_json))


def _source(href: str) -> str | bytes:
    """Return the href, or the document on standard input if the href is `-`.

    Standard input is read before the event loop starts. In the event loop, a blocking read would
    delay Ctrl-C.
    """
    return sys.stdin.buffer.read() if href == "-" else href


def _run(command: Coroutine[Any, Any, _T]) -> _T:
    from stac_asset.cli.names import show_library_logs
    from stac_asset.concurrency import new_runner
    from stac_asset.notices import collect_notices

    show_library_logs()
    with collect_notices(), new_runner() as runner:
        return runner.run(command)
