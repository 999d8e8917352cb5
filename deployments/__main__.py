"""Command line `python -m prefect_stac_asset.deployments`.

| command | action |
|---|---|
| `up`, `down` | start and stop a local Prefect server with worker and deployments |
| `deploy` | register the deployments with a Prefect server |
| `serve` | run the deployments in this process |
| `check` | validate `prefect.yaml`, or check that a server creates scheduled runs |
| `automate` | run a deployment for each downloaded item |

Commands import Prefect and modules that need Prefect when they run, so that `--help` and usage
errors do not wait for the seconds that these imports take.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from stac_asset.destinations.directories import directory_path
from stac_asset.errors import StacAssetError

_FOLDER = Path(".up")

_file = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Path of a prefect.yaml. By default the file of this package.",
)
_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_FOLDER,
    show_default=True,
    help="Folder for the server's database, logs, downloads and process ids.",
)


def main() -> None:
    """Run the command line. Exit with status 1 after an error, and with 130 after Ctrl-C."""
    try:
        app.main(standalone_mode=False, prog_name="python -m prefect_stac_asset.deployments")
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


@app.command()
@_file
@_folder
@click.option(
    "--port",
    type=int,
    default=4200,
    envvar="PORT",
    show_default=True,
    help="Port of the server on the loopback interface.",
)
@click.option(
    "--database",
    envvar="DATABASE",
    help="URL of Prefect's database, such as postgresql+asyncpg://…. By default SQLite. "
    "Set the environment variable DATABASE instead, as command lines are visible to all users.",
)
def up(file: Path | None, folder: Path, port: int, database: str | None) -> None:
    """Start a server, workers and all deployments in the background."""
    from prefect_stac_asset.deployments.local_stack import Stack
    from prefect_stac_asset.deployments.prefect_yaml import FILE

    stack = Stack(directory_path(str(folder), "--folder"), port, database or None)

    async def run() -> None:
        async for line in stack.up(file or FILE):
            click.echo(line)

    asyncio.run(run())
    click.echo(
        f"\nexport PREFECT_API_URL={stack.url}/api"
        f"\nOpen {stack.url} and start runs from the page Deployments. `make down` stops all "
        "processes."
    )


@app.command()
@_folder
def down(folder: Path) -> None:
    """Cancel runs, and stop the processes that `up` started."""
    from prefect_stac_asset.deployments.local_stack import Stack

    async def run() -> None:
        lines = [line async for line in Stack.of(directory_path(str(folder), "--folder")).down()]
        click.echo("\n".join(lines) if lines else "Nothing is running.")

    asyncio.run(run())


@app.command()
@_file
def deploy(file: Path | None) -> None:
    """Register block types and deployments with a Prefect server.

    PREFECT_API_URL selects the server. Workers of the work pools run the deployments.
    """
    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.prefect_yaml import FILE
    from prefect_stac_asset.deployments.registration import register_blocks, register_deployments

    async def run() -> None:
        click.echo("\n".join(await register_blocks()))
        async for name in register_deployments(file or FILE):
            click.echo(name)

    with map_prefect_errors():
        asyncio.run(run())


@app.command()
@_file
def serve(file: Path | None) -> None:
    """Run the deployments in this process until Ctrl-C.

    No work pool and no worker is required.
    """
    # As in `prefect.yaml` for workers. Prefect reads the variable during the import.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    import prefect

    from prefect_stac_asset.blocks.prefect_api import map_prefect_errors
    from prefect_stac_asset.deployments.prefect_yaml import FILE
    from prefect_stac_asset.deployments.registration import register_served
    from prefect_stac_asset.deployments.runner_deployments import deployments

    serving = deployments(file or FILE)
    with map_prefect_errors():
        asyncio.run(register_served(serving))
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
    from prefect_stac_asset.deployments.prefect_yaml import FILE, read_deployments

    for deployment in read_deployments(file or FILE):
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


if __name__ == "__main__":
    main()
