"""Static catalogs on an origin."""

from __future__ import annotations

import json
from typing import Any

from stac_asset.testing import Origin
from tests.support.mirror_runs import build_collection


def serve_static_catalog(origin: Origin, items: list[dict[str, Any]]) -> str:
    """Put a static catalog on the origin, and return the href of the catalog.

    The catalog has relative links, and the items are in a collection in a subfolder.
    """
    catalog = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    catalog["links"] = [  # type: ignore[assignment]
        {"rel": "child", "href": "./things/collection.json"},
        {"rel": "root", "href": "./catalog.json"},
    ]
    collection = build_collection("things")
    collection["links"] += [
        {"rel": "item", "href": f"./{item['id']}/item.json"} for item in items
    ] + [{"rel": "child", "href": "../catalog.json"}]
    origin.put("/c/things/collection.json", json.dumps(collection).encode())
    for item in items:
        origin.put(f"/c/things/{item['id']}/item.json", json.dumps(item).encode())
    return origin.put("/c/catalog.json", json.dumps(catalog).encode())
