"""Lineage of downloaded items as Prefect assets.

The downloaded item is a materialized asset. Its source item is a referenced asset. The events are
those of Prefect's `@materialize`, which would need a task run per item and cost a hundred times as
much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pystac
from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

from stac_asset.destinations.location import Location, parsed_location
from stac_asset.hrefs import parse_href
from stac_asset.types import Downloaded, Failed, Outcome

MATERIALIZED = "prefect.asset.materialization.succeeded"
REFERENCED = "prefect.asset.referenced"

_MAX_KEY_LENGTH = 512
_UNSUPPORTED = re.compile(r"[^\w./:@+=,~-]", re.ASCII)
"""Characters to replace in keys, as Prefect refuses some special characters."""


def lineage(
    item: pystac.Item, outcomes: Sequence[Outcome], document: Location | None
) -> list[tuple[str, dict[str, str], list[dict[str, str]], dict[str, Any]]]:
    """Return the names, resources, related resources and payloads of an item's asset events.

    The list is empty if an asset failed or all assets already existed.

    Args:
        item: The source item.
        outcomes: The outcomes of the assets.
        document: The rewritten document of the item, if the item has its own.
    """
    present = [outcome for outcome in outcomes if not isinstance(outcome, Failed)]
    downloaded = sum(isinstance(outcome, Downloaded) for outcome in present)
    if not downloaded or len(present) < len(outcomes):
        return []
    place = document or parsed_location(present[0].candidate.path).parent
    materialized = Asset(
        key=asset_key(place.as_uri() if isinstance(place, Path) else str(place)),
        properties=AssetProperties(name=str(item.id), description="A STAC item with its assets."),
    )
    source = Asset(key=source_key(item))
    payload = {
        "item": item.id,
        "collection": item.collection_id,
        "downloaded": downloaded,
        "bytes": sum(outcome.size for outcome in present),
    }
    related = [
        AssetContext.asset_as_related(source),
        AssetContext.related_materialized_by("stac-asset"),
    ]
    return [
        (REFERENCED, AssetContext.asset_as_resource(source), [], {}),
        (MATERIALIZED, AssetContext.asset_as_resource(materialized), related, payload),
    ]


def source_key(item: pystac.Item) -> str:
    """Return the asset key of a source item.

    The key is the item's self href without its query, or consists of the collection id and item id
    if the item has no self href.

    Args:
        item: The source item.
    """
    href = item.get_self_href()
    if href:
        url = parse_href(href)
        if url.scheme and url.host:
            return asset_key(f"{url.scheme}://{url.host_port_subcomponent}{url.raw_path}")
        return asset_key(Path(href).absolute().as_uri())
    return asset_key(f"stac://{item.collection_id or 'items'}/{item.id}")


def asset_key(uri: str) -> str:
    """Return an asset key that Prefect accepts for a URI.

    Args:
        uri: The URI. Only the end of a URI longer than 512 characters is kept.
    """
    scheme, _, rest = uri.partition("://")
    rest = _UNSUPPORTED.sub("_", rest)
    return f"{scheme.lower()}://{rest[-(_MAX_KEY_LENGTH - len(scheme) - 3) :]}"
