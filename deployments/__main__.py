"""Command line `python -m prefect_stac_asset.deployments`.

| command | action |
|---|---|
| `up`, `down` | start and stop a local Prefect server with worker and deployments |
| `status` | show the processes, the next runs and the last results of that server |
| `server` | run a Prefect server in the foreground |
| `service` | start that server after a restart of the machine |
| `init` | write a `prefect.yaml`, an example flow and the files of a work pool into a repository |
| `deploy` | register the deployments with a Prefect server |
| `serve` | run the deployments in this process |
| `check` | validate `prefect.yaml`, or check that a server creates scheduled runs |
| `automate` | run a deployment for each downloaded item |
| `alert` | notify a person, or run a deployment, if something is wrong with a deployment's runs |

Commands import Prefect and modules that need Prefect when they run, so that `--help` and usage
errors do not wait for the seconds that these imports take.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from prefect_stac_asset.deployments.init.command import init
from stac_asset.destinations.directories import directory_path
from stac_asset.errors import StacAssetError

_FOLDER = Path(".up")

_file = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Path of a prefect.yaml. By default prefect.yaml in the working directory, or else the "
    "file of this package.",
)
_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_FOLDER,
    show_default=True,
    help="Folder for the server's database, logs, downloads and process ids.",
)


_reset = click.option(
    "--reset",
    is_flag=True,
    help="Replace parameters, schedules and settings that were changed on the server, such as in "
    "the UI. By default these changes are kept.",
)


def main(name: str = "python -m prefect_stac_asset.deployments") -> None:
    """Run the command line. Exit with status 1 after an error, and with 130 after Ctrl-C.

    Args:
        name: The name of the program in messages.
    """
    try:
        app.main(standalone_mode=False, prog_name=name)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StacAssetError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Run the deployments of prefect.yaml."""


app.add_command(init)

_port = click.option(
    "--port",
    type=int,
    default=4200,
    envvar="PORT",
    show_default=True,
    help="Port of the server on the loopback interface.",
)


@app.command()
@_file
@_folder
@_port
@click.option(
    "--database",
    envvar="DATABASE",
    help="URL of Prefect's database, such as postgresql+asyncpg://…. By default SQLite. "
    "Set the environment variable DATABASE instead, as command lines are visible to all users.",
)
@_reset
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
    from prefect_stac_asset.deployments.local_stack import Stack
    from prefect_stac_asset.deployments.watching import watch

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


@app.command()
@_folder
def down(folder: Path) -> None:
    """Cancel runs, and stop the processes that `up` started."""
    from prefect_stac_asset.deployments.local_stack import Stack

    async def run() -> None:
        is_running = False
        async for line in Stack.of(directory_path(str(folder), "--folder")).down():
            click.echo(line)
            is_running = True
        if not is_running:
            click.echo("Nothing is running.")

    asyncio.run(run())


@app.command()
@_folder
def status(folder: Path) -> None:
    """Show processes, active runs, next runs and the last result of each deployment.

    The exit status is 1 if a process is not running.
    """
    from prefect_stac_asset.deployments.local_stack import Stack
    from prefect_stac_asset.deployments.status import status_lines

    processes, runs = asyncio.run(Stack.of(directory_path(str(folder), "--folder")).status())
    for line in status_lines(processes, runs):
        click.echo(line)
    if not processes:
        click.echo("Nothing is running.")
    if not processes or any(process.since is None for process in processes):
        sys.exit(1)


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def server(arguments: tuple[str, ...]) -> None:
    """Run `prefect server start` with ARGUMENTS.

    As with `up`, invalid credential blocks are refused when they are saved, and SQLite
    transactions wait for each other.
    """
    from prefect_stac_asset.deployments.server_process import start_server

    start_server(arguments)


@app.command()
@_file
@_folder
@_port
@click.option("--print", "is_printed", is_flag=True, help="Print the unit, and write no file.")
def service(file: Path | None, folder: Path, port: int, is_printed: bool) -> None:
    """Start the server and the workers after each restart of the machine, with systemd.

    The command writes a user unit, enables the unit, and starts the unit.
    """
    from prefect_stac_asset.deployments.service import Service

    path = directory_path(str(folder), "--folder")
    unit = Service(path, port, Path.cwd(), file.absolute() if file is not None else None)
    if os.environ.get("DATABASE"):
        click.echo(f"Write DATABASE=… to {unit.environment}, which the unit reads.", err=True)
    click.echo(unit.unit() if is_printed else "\n".join(unit.install()))


@app.command()
@_file
@_reset
def deploy(file: Path | None, reset: bool) -> None:
    """Register block types and deployments with a Prefect server.

    PREFECT_API_URL selects the server. Workers of the work pools run the deployments.
    """
    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.deployment_file import chosen_file
    from prefect_stac_asset.deployments.registration import register_blocks, register_deployments

    chosen = chosen_file(file)

    async def run() -> None:
        click.echo("\n".join(await register_blocks()))
        click.echo(f"Deployments of {chosen}:")
        async for name in register_deployments(chosen, reset):
            click.echo(name)

    with map_prefect_errors():
        asyncio.run(run())


@app.command()
@_file
@_reset
def serve(file: Path | None, reset: bool) -> None:
    """Run the deployments in this process until Ctrl-C.

    No work pool and no worker is required.
    """
    # As in `prefect.yaml` for workers. Prefect reads the variable during the import.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    import prefect

    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.deployment_file import chosen_file
    from prefect_stac_asset.deployments.registration import register_served
    from prefect_stac_asset.deployments.runner_deployments import deployments

    chosen = chosen_file(file)
    serving = deployments(chosen)
    with map_prefect_errors():
        for difference in asyncio.run(register_served(serving, reset)):
            click.echo(difference)
        click.echo(f"Serving the deployments of {chosen}.")
        prefect.serve(*serving)


@app.command()
@_file
@click.option(
    "--server",
    is_flag=True,
    help="Check instead that the Prefect server creates scheduled runs.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=1),
    help="Maximum number of seconds to wait for a scheduled run, with --server. By default 90.",
)
def check(file: Path | None, server: bool, wait: float | None) -> None:
    """Validate prefect.yaml, or check the Prefect server.

    Without --server, print the name and description of each deployment.
    """
    if server:
        _check_server(wait)
        return
    from prefect_stac_asset.deployments.deployment_file import chosen_file
    from prefect_stac_asset.deployments.prefect_yaml import read_deployments

    chosen = chosen_file(file)
    click.echo(f"Checking {chosen}", err=True)
    for deployment in read_deployments(chosen):
        click.echo(f"{deployment.name}: {deployment.description}")


def _check_server(wait: float | None) -> None:
    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.schedules import RUN_TIMEOUT, check_schedules

    timeout = wait or RUN_TIMEOUT

    async def run() -> str:
        async with check_schedules() as schedule_check:
            click.echo(
                f"waiting for a scheduled run of {schedule_check.server}, at most {timeout:.0f} s",
                err=True,
            )
            return await schedule_check.wait(timeout)

    with map_prefect_errors():
        click.echo(asyncio.run(run()))


@app.command()
@click.argument("deployment")
@click.option("--collection", help="Id of a collection. Items of other collections are ignored.")
def automate(deployment: str, collection: str | None) -> None:
    """Run DEPLOYMENT for each item that a flow downloads.

    DEPLOYMENT is 'flow name/deployment name'.
    """
    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.automations import run_for_each_item

    with map_prefect_errors():
        click.echo(asyncio.run(run_for_each_item(deployment, collection)))


@app.command()
@click.argument("deployment")
@click.option("--notify", help="A saved notification block, as 'block type/name'.")
@click.option("--run", help="A deployment to run for each alert, as 'flow name/deployment name'.")
@click.option(
    "--stale-hours",
    type=float,
    default=26.0,
    show_default=True,
    help="Send an alert if no run succeeds within this time.",
)
@click.option(
    "--failing-runs",
    type=int,
    default=3,
    show_default=True,
    help="Send an alert if the same items fail in this number of runs in a row.",
)
@click.option(
    "--no-transfer-minutes",
    type=float,
    default=30.0,
    show_default=True,
    help="Send an alert if a run transfers nothing for this time.",
)
def alert(
    deployment: str,
    notify: str | None,
    run: str | None,
    stale_hours: float,
    failing_runs: int,
    no_transfer_minutes: float,
) -> None:
    """Create the alerts of DEPLOYMENT, which is 'flow name/deployment name'.

    The alerts are Prefect automations: no successful run, items that fail again and again, a
    destination that is nearly full, a run that transfers nothing, a budget that is used up. Each
    sends a notification, runs a deployment, or both. A second call updates the automations.
    """
    from datetime import timedelta

    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.alert_registration import create_alerts
    from prefect_stac_asset.deployments.alerts import Conditions

    conditions = Conditions(
        stale=timedelta(hours=stale_hours),
        failing_runs=failing_runs,
        no_transfer=timedelta(minutes=no_transfer_minutes),
    )
    with map_prefect_errors():
        for name in asyncio.run(create_alerts(deployment, notify, run, conditions)):
            click.echo(name)


if __name__ == "__main__":
    main()
