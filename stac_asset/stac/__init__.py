"""Internal: read STAC documents through clients, and parse them."""

from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import Stac, item_of, load_stac, stac_of
from stac_asset.stac.read import read_bytes, read_json, read_stac

__all__ = [
    "Stac",
    "item_of",
    "load_stac",
    "read_bytes",
    "read_items",
    "read_json",
    "read_stac",
    "stac_of",
]
