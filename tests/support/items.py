"""Items with assets on an origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac

from stac_asset.stac.parse import load_stac, stac_of
from stac_asset.testing import Origin


def item_document(origin: Origin, *keys: str, name: str = "the-item") -> dict[str, Any]:
    """Return an item with a GeoTIFF asset for each key."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [],
        "assets": {key: {"href": origin.href(f"/{key}.tif")} for key in keys},
    }


def make_item(origin: Origin, *keys: str) -> str:
    """Put an item on the origin, and return the href of the item."""
    return origin.put("/item.json", json.dumps(item_document(origin, *keys)).encode())


def item_from_origin(
    origin: Origin, *keys: str, name: str = "the-item", **fields: object
) -> pystac.Item:
    """Return an item with the self href `/item.json` on the origin.

    Args:
        origin: The origin of the assets.
        keys: The keys of the assets.
        name: The id of the item.
        fields: Further fields of each asset.
    """
    document = item_document(origin, *keys, name=name)
    for asset in document["assets"].values():
        asset |= fields
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item


def load_item(path: Path) -> pystac.Item:
    """Return the item in a local file."""
    item = load_stac(path)
    assert isinstance(item, pystac.Item)
    return item
