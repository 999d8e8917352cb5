"""Internal: a directory of the local file system as a destination."""

from stac_asset.destinations.local.destination import LocalDestination, LocalDestinations

__all__ = ["LocalDestination", "LocalDestinations"]
