"""Internal: destinations of downloads: the interface, and the local file system."""

from stac_asset.destinations.interface import (
    BusyError,
    Declared,
    Destination,
    Destinations,
    Existing,
    Upload,
)
from stac_asset.destinations.local import LocalDestination, LocalDestinations
from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges

__all__ = [
    "BusyError",
    "ByteRange",
    "Declared",
    "Destination",
    "Destinations",
    "Existing",
    "LocalDestination",
    "LocalDestinations",
    "MissingRanges",
    "Upload",
]
