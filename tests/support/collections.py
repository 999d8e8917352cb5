"""Collections with assets on an origin."""

from __future__ import annotations

from typing import Any

from stac_asset.testing import Origin


def collection_document(origin: Origin, *keys: str, name: str = "the-collection") -> dict[str, Any]:
    """Return a collection with a PNG asset for each key."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": "A collection with assets.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[-1, -1, 1, 1]]},
            "temporal": {"interval": [["2026-06-01T00:00:00Z", None]]},
        },
        "links": [],
        "assets": {key: {"href": origin.href(f"/{key}.png")} for key in keys},
    }
