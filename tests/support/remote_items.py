"""Items as read from an origin, and hrefs of assets."""

from __future__ import annotations

import pystac

from stac_asset.testing import Origin
from tests.support.items import item_document

UNREACHABLE_HREF = "http://127.0.0.1:1/catalog.json"
"""An href where no server listens."""


def remote_item(origin: Origin, *keys: str, name: str = "the-item") -> pystac.Item:
    """Return an item with an asset for each key, as read from the origin."""
    document = item_document(origin, *keys, name=name)
    document["links"] = [
        {"rel": "self", "href": origin.href(f"/items/{name}.json")},
        {"rel": "license", "href": "../LICENSE.txt"},
    ]
    return pystac.Item.from_dict(document)


def asset_hrefs(stac: pystac.Item | pystac.Collection) -> dict[str, str]:
    """Return the href of each asset."""
    return {key: asset.href for key, asset in stac.assets.items()}
