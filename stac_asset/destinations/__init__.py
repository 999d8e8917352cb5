"""Internal: destinations of downloads: the interface, directories, and prefixes of buckets."""

from stac_asset.destinations.interface import Destination, Destinations, Upload
from stac_asset.destinations.local import LocalDestination, LocalDestinations
from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges
from stac_asset.destinations.values import (
    ANY_VERSION,
    BusyError,
    Declared,
    Existing,
    FileFacts,
    Leftover,
    ListedFile,
    OmittedFile,
    StoredDocument,
    VersionError,
)

__all__ = [
    "ANY_VERSION",
    "BusyError",
    "ByteRange",
    "Declared",
    "Destination",
    "Destinations",
    "Existing",
    "FileFacts",
    "Leftover",
    "ListedFile",
    "LocalDestination",
    "LocalDestinations",
    "MissingRanges",
    "OmittedFile",
    "StoredDocument",
    "Upload",
    "VersionError",
]
