"""Internal: a prefix of Google Cloud Storage or Azure as a destination, through obstore."""

from stac_asset.destinations.object_store.destination import ObjectStoreDestination
from stac_asset.destinations.object_store.store import ObjectStore

__all__ = ["ObjectStore", "ObjectStoreDestination"]
