"""What `stac-asset verify` does."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import click

from stac_asset.cli.tables import printable
from stac_asset.clients import Clients
from stac_asset.config import Config
from stac_asset.destinations import LocalDestinations
from stac_asset.transfer.engine import Engine
from stac_asset.types import Failed, Transfer
from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.repair import Unrepairable, after_repair, plan_repairs, repair_config
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds, Summary, is_good


async def verify(directory: Path, config: Config, repair: bool, limit: int) -> int:
    """Prints what is wrong in a directory, after its repair where that is wanted.

    Args:
        directory: A directory of downloads.
        config: How to repair it.
        repair: Whether to.
        limit: How many assets are in work at once.

    Returns:
        1 if files are missing or wrong and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: There is nothing to verify.
    """
    inventory = take_inventory(directory)
    summary, bad = Summary(inventory.unreadable), list[Bad]()
    async with aclosing(check_all(inventory)) as verdicts:
        async for verdict in verdicts:
            if repair and isinstance(verdict, Missing | Corrupt | OutOfBounds):
                bad.append(verdict)
            else:
                summary.add(verdict)
    errors = await _repair(bad, inventory, repair_config(config), limit) if bad else {}
    for verdict in bad:
        now = after_repair(verdict, inventory, errors)
        summary.add(now, is_good(now))
    click.echo(summary)
    if inventory.leftovers:
        click.echo(f"{len(inventory.leftovers)} part files are left over:")
        for path in inventory.leftovers:
            click.echo(f"- {printable(path)}")
    if summary.error is None:
        return 0
    kind = "warning" if config.warn else "error"
    click.echo(f"{kind}: {printable(str(summary.error))}", err=True)
    return 0 if config.warn else 1


async def _repair(
    bad: list[Bad], inventory: Inventory, config: Config, limit: int
) -> dict[str, Exception]:
    """Returns why files could not be repaired, by their paths."""
    errors: dict[str, Exception] = {}
    transfers: list[Transfer] = []
    async with Clients(config) as clients:
        async for planned in plan_repairs(bad, inventory, clients, config):
            if isinstance(planned, Unrepairable):
                errors[planned.path] = planned.error
            else:
                transfers.append(planned.transfer)
        engine = Engine(
            clients,
            config,
            LocalDestinations(config.make_directory),
            max_concurrent_downloads=limit,
        )
        async with aclosing(engine.run(transfers)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Failed) and outcome.transfer is not None:
                    errors[outcome.transfer.path] = outcome.error
    return errors
