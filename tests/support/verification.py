"""Directories to verify, and checks and repairs of these directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac

from stac_asset import Config, download_item
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.testing import Origin
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded
from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.repair import Repair, Unrepairable, after_repair, plan_repairs, repair_config
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds, Verdict
from tests.support.items import make_item


async def download_from_origin(origin: Origin, directory: Path, config: Config, *keys: str) -> None:
    """Put an item with the given asset keys on the origin, and download the item."""
    href = make_item(origin, *keys)
    item = pystac.Item.from_dict(json.loads(origin.content("/item.json")))
    item.set_self_href(href)
    await download_item(item, directory, config=config)


def write_item(
    path: Path, assets: dict[str, Any], source: str | None = None, **fields: Any
) -> None:
    """Write an item document.

    Args:
        path: Path of the document.
        assets: Assets of the item, by key.
        source: Href of the `derived_from` link, if any.
        fields: Further fields of the document. They replace the default fields.
    """
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "planted",
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [{"rel": "derived_from", "href": source}] if source else [],
        "assets": assets,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document | fields))


async def inventory_of(directory: Path | str) -> Inventory:
    """Return the inventory of a local directory."""
    return await take_inventory(directory, LocalDestinations())


async def check_by_key(inventory: Inventory) -> dict[str, Verdict]:
    """Check all files of an inventory, and return the verdicts by asset key."""
    return {verdict.asset.key: verdict async for verdict in check_all(inventory)}


async def repair_directory(
    directory: Path, config: Config
) -> tuple[dict[str, Verdict], list[Repair | Unrepairable]]:
    """Repair a directory.

    Returns:
        Verdicts of the bad files after the repair, by asset key, and the planned repairs.
    """
    inventory = await inventory_of(directory)
    before = [verdict async for verdict in check_all(inventory)]
    bad: list[Bad] = [
        verdict for verdict in before if isinstance(verdict, Missing | Corrupt | OutOfBounds)
    ]
    changed = repair_config(config)
    errors: dict[str, Exception] = {}
    async with Clients(changed) as clients:
        planned = [entry async for entry in plan_repairs(bad, inventory, clients, changed)]
        for entry in planned:
            if isinstance(entry, Unrepairable):
                errors[entry.path] = entry.error
            else:
                engine = Engine(clients, changed, LocalDestinations())
                outcome = await engine.download(entry.transfer)
                if not isinstance(outcome, Downloaded):
                    errors[entry.transfer.path] = outcome.error  # type: ignore[union-attr]
    after = {
        verdict.asset.key: await after_repair(verdict, inventory, errors, config) for verdict in bad
    }
    return after, planned
