"""The arguments of the commands about the installation: `config` and `doctor`."""

from __future__ import annotations

from typing import Any

import click

from stac_asset.cli.options import config_options, given_options, json_option, read_config
from stac_asset.cli.running import run


@click.command()
@json_option
@config_options
def config(as_json: bool, max_concurrent_downloads: int, **options: Any) -> int:
    """Show the value of each option, and where the value comes from.

    Options of the command line come before environment variables, and these before the file .env.
    Secrets are not shown.
    """
    from stac_asset.cli.commands.show_config import show_config

    return show_config(read_config(options), given_options(options).keys(), as_json)


@click.command()
@click.argument("directory", default=".", type=click.Path(file_okay=False))
@json_option
def doctor(directory: str, as_json: bool) -> int:
    """Check the installation, the machine and the credentials, for downloads to DIRECTORY.

    Prints the finding of each check, and what to do. No secret is sent or shown. The exit code is 1
    if a finding is a problem.
    """
    from stac_asset.cli.doctor import doctor as run_checks

    return run(run_checks(directory, as_json))
