"""Internal: a directory of the local file system as a destination."""

from stac_asset.destinations.local.destination import LocalDestination
from stac_asset.destinations.local.destinations import LocalDestinations

__all__ = ["LocalDestination", "LocalDestinations"]
