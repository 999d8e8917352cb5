"""The command `stac-asset`: subcommands, exit codes and errors.

The package `arguments` has the arguments of the subcommands, and the package `commands` runs them.
"""

from __future__ import annotations

import os
import sys

import click

from stac_asset.cli.arguments import directories, documents, machine, mirrors
from stac_asset.cli.interrupts import INTERRUPTED, MESSAGE, exit_on_interrupt
from stac_asset.cli.output import print_problem
from stac_asset.cli.plugins import PluginGroup
from stac_asset.errors import ConfigError, StacAssetError

EXIT_CODES = {
    0: "Success: everything that was asked for is there.",
    1: "An error, assets that failed, nothing to download, or a closed output (`| head -1`).",
    2: "Invalid arguments or an invalid configuration.",
    3: "Only with --exit-code: there are files to download.",
    INTERRUPTED: "Interrupted by Ctrl-C. Part files are kept, and the same command resumes.",
}
"""The exit codes of all commands."""

_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def main() -> None:
    """Run the command line, and exit with one of `EXIT_CODES`.

    Errors of this library are printed on standard error, without a traceback.
    """
    _open_standard_streams()
    with exit_on_interrupt():
        code = _run()
    sys.exit(code)


def _run() -> int:
    """Run the command line, and return the exit code."""
    try:
        code: int = app.main(prog_name="stac-asset", standalone_mode=False) or 0
    except click.exceptions.Abort:
        # Received bytes stay in part files.
        click.echo(MESSAGE, err=True)
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except StacAssetError as error:
        print_problem(str(error))
        code = 2 if isinstance(error, ConfigError) else 1
    except OSError as error:
        # Other OSErrors are mapped where they are raised. Downloaded files stay.
        print_problem(f"the output cannot be written: {error.strerror}")
        sys.stdout = None  # Otherwise Python flushes the stream at exit, and fails again.
        code = 1
    return code


def _open_standard_streams() -> None:
    """Open closed standard streams. Otherwise a file or socket could get a standard descriptor."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115 - open until the end


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prefect-stac-asset", prog_name="stac-asset")
@click.option(
    "-v",
    "--verbosity",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="WARNING",
    show_default=True,
    help="Minimum level of the log records on standard error. Put the option before the command.",
)
def app(verbosity: str) -> None:
    """Download the assets of STAC items, collections and item collections.

    Options that are not given are read from environment variables (STAC_ASSET_INCLUDE=B04,B08) or
    from the file .env. The variables are named after the fields of stac_asset.Config.

    Results are written to standard output. Progress, warnings and errors are written to standard
    error. The exit code is 0 after success, 1 after an error, and 2 for invalid arguments.
    """


for _command in (
    documents.download,
    documents.info,
    documents.plan,
    mirrors.sync,
    mirrors.audit,
    directories.verify,
    directories.clean,
    machine.config,
    machine.doctor,
):
    app.add_command(_command)
