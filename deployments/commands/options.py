"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

file_option = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Path of a prefect.yaml. By default prefect.yaml in the working directory, or else the "
    "file of this package.",
)
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".up"),
    show_default=True,
    help="Folder for the server's database, logs, downloads and process ids.",
)

reset_option = click.option(
    "--reset",
    is_flag=True,
    help="Replace parameters, schedules and settings that were changed on the server, such as in "
    "the UI. By default these changes are kept.",
)

port_option = click.option(
    "--port",
    type=int,
    default=4200,
    envvar="PORT",
    show_default=True,
    help="Port of the server on the loopback interface.",
)
