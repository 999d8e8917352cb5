"""Internal: shared parts of the destinations in buckets: keys, objects, memory of uploads."""

from stac_asset.destinations.buckets.buffers import BufferBudget
from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.buckets.files import StoredFiles
from stac_asset.destinations.buckets.keys import Prefix
from stac_asset.destinations.buckets.open_keys import OpenKeys

__all__ = ["BufferBudget", "ConflictError", "MissingError", "OpenKeys", "Prefix", "StoredFiles"]
