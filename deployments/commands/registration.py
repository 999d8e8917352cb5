"""Commands for the deployments of a `prefect.yaml`: `deploy`, `serve`, `check`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from prefect_stac_asset.deployments.commands.options import file_option, reset_option


@click.command()
@file_option
@reset_option
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


@click.command()
@file_option
@reset_option
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


@click.command()
@file_option
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
