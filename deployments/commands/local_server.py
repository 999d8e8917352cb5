"""Commands for a Prefect server on this machine: `up`, `down`, `status`, `server`, `service`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import click

from prefect_stac_asset.deployments.commands.options import (
    file_option,
    folder_option,
    port_option,
    reset_option,
)
from stac_asset.destinations.directories import directory_path


@click.command()
@file_option
@folder_option
@port_option
@click.option(
    "--database",
    envvar="DATABASE",
    help="URL of Prefect's database, such as postgresql+asyncpg://…. By default SQLite. "
    "Set the environment variable DATABASE instead, as command lines are visible to all users.",
)
@reset_option
@click.option(
    "--watch",
    "is_watching",
    is_flag=True,
    help="Do not return. Start stopped processes again, until `down` stops all processes.",
)
def up(
    file: Path | None,
    folder: Path,
    port: int,
    database: str | None,
    reset: bool,
    is_watching: bool,
) -> None:
    """Start a server, workers and all deployments in the background.

    Later commands use the same --file by default.
    """
    from prefect_stac_asset.deployments.deployment_file import chosen_file
    from prefect_stac_asset.deployments.local_stack.stack import Stack
    from prefect_stac_asset.deployments.local_stack.watching import watch

    stack = Stack(directory_path(str(folder), "--folder"), port, database or None)

    async def run() -> None:
        chosen = chosen_file(file, stack.file)
        async for line in stack.up(chosen, remember=file is not None, reset=reset):
            click.echo(line)
        click.echo(
            f"\nexport PREFECT_API_URL={stack.url}/api"
            f"\nOpen {stack.url} and start runs from the page Deployments. `make down` stops all "
            "processes."
        )
        if is_watching:
            async for line in watch(stack, chosen):
                click.echo(line)

    asyncio.run(run())


@click.command()
@folder_option
def down(folder: Path) -> None:
    """Cancel runs, and stop the processes that `up` started."""
    from prefect_stac_asset.deployments.local_stack.stack import Stack

    async def run() -> None:
        is_running = False
        async for line in Stack.of(directory_path(str(folder), "--folder")).down():
            click.echo(line)
            is_running = True
        if not is_running:
            click.echo("Nothing is running.")

    asyncio.run(run())


@click.command()
@folder_option
def status(folder: Path) -> None:
    """Show processes, active, late and next runs, and the last result of each deployment.

    The exit status is 1 if a process is not running.
    """
    from prefect_stac_asset.deployments.local_stack.stack import Stack
    from prefect_stac_asset.deployments.local_stack.status import status_lines

    processes, runs = asyncio.run(Stack.of(directory_path(str(folder), "--folder")).status())
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in status_lines(processes, runs, width):
        click.echo(line)
    if not processes:
        click.echo("Nothing is running.")
    if not processes or any(process.since is None for process in processes):
        sys.exit(1)


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def server(arguments: tuple[str, ...]) -> None:
    """Run `prefect server start` with ARGUMENTS.

    As with `up`, invalid credential blocks are refused when they are saved, and SQLite
    transactions wait for each other.
    """
    from prefect.settings import get_current_settings

    from prefect_stac_asset.deployments.ports import check_arguments

    api = get_current_settings().server.api
    check_arguments(arguments, api.host, api.port)
    from prefect_stac_asset.deployments.server_process import start_server

    start_server(arguments)


@click.command()
@file_option
@folder_option
@port_option
@click.option("--print", "is_printed", is_flag=True, help="Print the unit, and write no file.")
def service(file: Path | None, folder: Path, port: int, is_printed: bool) -> None:
    """Start the server and the workers after each restart of the machine, with systemd.

    The command writes a user unit, enables the unit, and starts the unit.
    """
    from prefect_stac_asset.deployments.local_stack.service import Service

    path = directory_path(str(folder), "--folder")
    unit = Service(path, port, Path.cwd(), file.absolute() if file is not None else None)
    if os.environ.get("DATABASE"):
        click.echo(f"Write DATABASE=… to {unit.environment}, which the unit reads.", err=True)
    click.echo(unit.unit() if is_printed else "\n".join(unit.install()))
