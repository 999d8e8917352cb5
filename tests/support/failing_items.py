"""Items with an asset that may fail, between valid assets."""

from __future__ import annotations

import pystac

from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.items import item_document


def item_with_bad_asset(origin: Origin, asset: object, *keys: str) -> pystac.Item:
    """Return an item with an asset `bad` between valid assets, as read over HTTP."""
    document = item_document(origin, "first", "bad", "last", *keys)
    document["assets"]["bad"] = asset
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item
