"""Commands for Prefect automations: `automate`, `alert`."""

from __future__ import annotations

import asyncio

import click


@click.command()
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


@click.command()
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
