"""The command `stac-asset info`. `stac_asset.cli.arguments.documents` parses the arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pystac

from stac_asset.cli.commands.source import no_assets, read_document
from stac_asset.cli.names import as_typed
from stac_asset.cli.output import print_json
from stac_asset.cli.tables import print_table
from stac_asset.clients import Clients
from stac_asset.config import Config
from stac_asset.errors import NotFoundError
from stac_asset.plan.owners import owner_name
from stac_asset.plan.planner import Planner
from stac_asset.stac.item_collections import ReadItems
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Failed, Transfer

COLUMNS = ("owner", "key", "client", "exists", "bytes", "media type", "note")


async def info(source: str | bytes, config: Config, limit: int, as_json: bool = False) -> int:
    """Print the assets of a document, with the answers of the sources.

    Args:
        source: The href of the document as a string, or the document as bytes.
        config: The configuration. `include` and `exclude` select the assets.
        limit: Maximum number of sources to ask at the same time.
        as_json: Print JSON instead of a table.

    Returns:
        1 if an asset does not exist or cannot be read and `Config.warn` is not set, else 0.

    Raises:
        StacAssetError: The document cannot be read, or has no selected assets.
    """
    planner = Planner(Path(), config, LOCAL_FACTS)
    async with Clients(config) as clients:
        stac = await read_document(source, clients, config)
        owners = list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]
        entries = [
            (owner, key, asset, planner.asset(key, asset, owner))
            for owner in owners
            for key, asset in planner.selected(owner)
        ]
        planner.check_selection()
        if not entries:
            raise no_assets(stac, source)
        transfers = [entry for *_, entry in entries if isinstance(entry, Transfer)]
        found = await probe_all(transfers, clients, config, limit)
    results = {id(transfer): result for transfer, result in zip(transfers, found, strict=True)}
    rows = [
        (owner_name(owner), key, *_cells(entry, asset.media_type, results.get(id(entry))))
        for owner, key, asset, entry in entries
    ]
    if isinstance(stac, ReadItems):
        rows += [(one.name, "", None, None, None, None, str(one.error)) for one in stac.invalid]
    if as_json:
        names = [column.replace(" ", "_") for column in COLUMNS]
        print_json({"assets": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        first = 0 if len(owners) > 1 else 1
        print_table(COLUMNS[first:], (row[first:] for row in rows))
    exists = COLUMNS.index("exists")
    return 0 if config.warn or all(row[exists] == "yes" for row in rows) else 1


def _cells(
    entry: Transfer | Failed, media_type: str | None, result: ProbeResult | None
) -> tuple[Any, ...]:
    """Return the client, existence, bytes, media type and note of an asset."""
    if result is None or isinstance(entry, Failed):
        note = as_typed(str(entry.error)) if isinstance(entry, Failed) else None
        return None, None, None, media_type, note
    if result.error is not None or result.stat is None:
        exists = "no" if isinstance(result.error, NotFoundError) else None
        return result.client, exists, entry.size, media_type, as_typed(str(result.error))
    size, actual = result.stat.size, result.stat.content_type
    size = size if size is not None else entry.size
    return result.client, "yes", size, media_type or actual, None
