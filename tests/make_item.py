"""Makes items whose assets an origin serves."""

from __future__ import annotations

import json
from typing import Any

from stac_asset.testing import Origin


def item_document(origin: Origin, *keys: str, name: str = "the-item") -> dict[str, Any]:
    """Returns an item with a GeoTIFF asset for each key."""
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
    """Puts an item on the origin, and returns its href."""
    return origin.put("/item.json", json.dumps(item_document(origin, *keys)).encode())
