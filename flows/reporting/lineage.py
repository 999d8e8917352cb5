"""Says of an item that has landed what it was made of, as Prefect assets: lineage.

A run materializes the item on the disk, and references the item that it came from. The events are
those that Prefect's own `@materialize` sends; a task run for each item would cost a hundred times
as much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pystac
from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

from stac_asset.hrefs import parse_href
from stac_asset.types import Downloaded, Failed, Outcome

MATERIALIZED = "prefect.asset.materialization.succeeded"
REFERENCED = "prefect.asset.referenced"

_LONGEST = 512
_REFUSED = re.compile(r"[^\w./:@+=,~-]", re.ASCII)
"""Prefect refuses some characters of a key; whatever is not plain is replaced."""


def lineage(
    item: pystac.Item, outcomes: Sequence[Outcome], document: Path | None
) -> list[tuple[str, dict[str, str], list[dict[str, str]], dict[str, Any]]]:
    """Returns the names, resources, related resources and payloads of an item's asset events.

    None where an asset failed, or nothing is new.

    Args:
        item: The source item.
        outcomes: What became of its assets.
        document: The rewritten document of the item alone, if there is one.
    """
    there = [outcome for outcome in outcomes if not isinstance(outcome, Failed)]
    downloaded = sum(isinstance(outcome, Downloaded) for outcome in there)
    if not downloaded or len(there) < len(outcomes):
        return []
    place = document or Path(there[0].candidate.path).parent
    made = Asset(
        key=asset_key(place.as_uri()),
        properties=AssetProperties(name=str(item.id), description="A STAC item with its assets."),
    )
    source = Asset(key=source_key(item))
    payload = {
        "item": item.id,
        "collection": item.collection_id,
        "downloaded": downloaded,
        "bytes": sum(outcome.size for outcome in there),
    }
    related = [
        AssetContext.asset_as_related(source),
        AssetContext.related_materialized_by("stac-asset"),
    ]
    return [
        (REFERENCED, AssetContext.asset_as_resource(source), [], {}),
        (MATERIALIZED, AssetContext.asset_as_resource(made), related, payload),
    ]


def source_key(item: pystac.Item) -> str:
    """Returns the asset key of an item's source: its href, or its ids where it has none.

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
    """Returns a URI as Prefect takes it for an asset's key.

    Args:
        uri: A URI; of a long one, the end is kept.
    """
    scheme, _, rest = uri.partition("://")
    rest = _REFUSED.sub("_", rest)
    return f"{scheme.lower()}://{rest[-(_LONGEST - len(scheme) - 3) :]}"
