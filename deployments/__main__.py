"""The commands: `python -m prefect_stac_asset.deployments up`, `down`, `deploy`, `serve`, `check`, `automate`.

`check` reads `prefect.yaml`; `check --server` verifies that a Prefect server makes scheduled runs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from stac_asset.errors import StacAssetError

_FOLDER = Path(".up")

_file = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A prefect.yaml; by default the one of this project.",
)
_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_FOLDER,
    show_default=True,
    help="Where the server's database, logs, downloads and process ids are.",
)


def main() -> None:
    """Runs the command line, and exits: with 1 after an error, which is one sentence."""
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
@click.option("--port", type=int, default=4200, envvar="PORT", show_default=True)
@click.option(
    "--database",
    envvar="DATABASE",
    help="Where Prefect keeps its data, as postgresql+asyncpg://…; by default SQLite. "
    "Better given by the variable DATABASE: a command line is for everybody to see.",
)
def up(file: Path | None, folder: Path, port: int, database: str | None) -> None:
    """Start a server, a work pool and its worker, with all deployments, in the background."""
    from prefect_stac_asset.deployments.local_stack import Stack
    from prefect_stac_asset.deployments.prefect_yaml import FILE

    stack = Stack(folder.absolute(), port, database or None)

    async def run() -> None:
        async for line in stack.up(file or FILE):
            click.echo(line)

    asyncio.run(run())
    click.echo(f"\nOpen {stack.url} and start runs from Deployments; `make down` ends all of it.")


@app.command()
@_folder
def down(folder: Path) -> None:
    """End what `up` started."""
    from prefect_stac_asset.deployments.local_stack import Stack

    async def run() -> None:
        lines = [line async for line in Stack.of(folder.absolute()).down()]
        click.echo("\n".join(lines) if lines else "nothing runs")

    asyncio.run(run())


@app.command()
@_file
def deploy(file: Path | None) -> None:
    """Register blocks and deployments at the server that Prefect is set to, for its workers."""
    from prefect_stac_asset.blocks.prefect_api import asking_prefect
    from prefect_stac_asset.deployments.prefect_yaml import FILE
    from prefect_stac_asset.deployments.registration import register_blocks, register_deployments

    async def run() -> None:
        click.echo("\n".join(await register_blocks()))
        async for name in register_deployments(file or FILE):
            click.echo(name)

    with asking_prefect():
        asyncio.run(run())


@app.command()
@_file
def serve(file: Path | None) -> None:
    """Run the deployments from this process, without work pool and worker, until Ctrl-C."""
    import prefect

    from prefect_stac_asset.blocks.prefect_api import asking_prefect
    from prefect_stac_asset.deployments.prefect_yaml import FILE
    from prefect_stac_asset.deployments.registration import register_blocks
    from prefect_stac_asset.deployments.runner_deployments import deployments

    serving = deployments(file or FILE)
    with asking_prefect():
        asyncio.run(register_blocks())
        prefect.serve(*serving)


@app.command()
@_file
@click.option(
    "--server",
    is_flag=True,
    help="Check the Prefect server instead: that it makes scheduled runs.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=1),
    help="With --server: seconds to wait for a scheduled run, by default 90.",
)
def check(file: Path | None, server: bool, wait: float | None) -> None:
    """Check that prefect.yaml is right, and list what it deploys; or check the server."""
    if server:
        _check_server(wait)
        return
    from prefect_stac_asset.deployments.prefect_yaml import FILE, read_deployments

    for one in read_deployments(file or FILE):
        click.echo(f"{one.name}: {one.description}")


def _check_server(wait: float | None) -> None:
    from prefect_stac_asset.blocks.prefect_api import asking_prefect
    from prefect_stac_asset.deployments.schedules import PATIENCE, checking_schedules

    patience = wait or PATIENCE

    async def run() -> str:
        async with checking_schedules() as checking:
            click.echo(
                f"waiting for {checking.server} to make a scheduled run, at most {patience:.0f} s",
                err=True,
            )
            return await checking.wait(patience)

    with asking_prefect():
        click.echo(asyncio.run(run()))


@app.command()
@click.argument("deployment")
@click.option("--collection", help="The id of the only collection whose items count.")
def automate(deployment: str, collection: str | None) -> None:
    """Run a deployment ('flow name/deployment name') for each item that a flow has downloaded."""
    from prefect_stac_asset.blocks.prefect_api import asking_prefect
    from prefect_stac_asset.deployments.automations import run_for_each_item

    with asking_prefect():
        click.echo(asyncio.run(run_for_each_item(deployment, collection)))


if __name__ == "__main__":
    main()
