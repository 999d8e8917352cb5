"""Internal: verify downloaded files against STAC documents, and repair bad files."""

from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.results import Summary, Verdict
from stac_asset.verify.run import Repairs, verify_files

__all__ = [
    "Inventory",
    "Repairs",
    "Summary",
    "Verdict",
    "check_all",
    "take_inventory",
    "verify_files",
]
