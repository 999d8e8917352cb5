"""Verifies and repairs downloaded files."""

from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.results import Summary, Verdict

__all__ = ["Inventory", "Summary", "Verdict", "check_all", "take_inventory"]
