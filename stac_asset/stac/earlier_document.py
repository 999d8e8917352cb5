"""Internal: the document of an earlier run, which a new document replaces.

The download functions, the tasks and the mirror read the earlier document before they write a new
one, so that the new document keeps files and items of earlier runs (`stac.earlier_files`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import pystac

from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.destinations.interface import Destination
from stac_asset.destinations.location import Location
from stac_asset.destinations.values import ANY_VERSION, VersionError
from stac_asset.notices import notice
from stac_asset.stac.item_collections import InvalidItem
from stac_asset.strategy import ErrorStrategy
from stac_asset.types import Failed, Outcome

_T = TypeVar("_T")

_ATTEMPTS = 10
"""Number of attempts to write a document that other runs replace at the same time."""


class EarlierDocument:
    """The document of an earlier run, read at the first use.

    Args:
        location: The location of the document, if any.
        destination: The destination of the document.
    """

    def __init__(self, location: Location | None, destination: Destination) -> None:
        self.location = location
        self._destination = destination
        self._owners: dict[tuple[str | None, str], dict[str, Any] | None] | None = None
        """The items and collections, by collection and id. Ambiguous ids have no value."""
        self.version: str | None = ANY_VERSION
        """The version of the document, as `Destination.write` expects it.

        A document that was not read may be replaced in any version.
        """

    async def exists(self) -> bool:
        """Return whether the document exists and has an item or collection."""
        return bool(await self._read())

    async def _read(self) -> dict[tuple[str | None, str], dict[str, Any] | None]:
        if self._owners is None:
            found = None
            if self.location is not None:
                key = self._destination.key_of(str(self.location))
                found = await self._destination.read(key)
                self.version = found.version if found is not None else None
            self._owners = await in_thread(_owners, found.data) if found is not None else {}
        return self._owners

    async def owner(self, collection: str | None, name: str) -> dict[str, Any] | None:
        """Return the item or collection of the document with an id, unless ambiguous.

        Args:
            collection: The id of the item's collection, if any.
            name: The id.
        """
        return (await self._read()).get((collection, name))

    async def assets(self, owner: pystac.Item | pystac.Collection) -> Mapping[str, Any]:
        """Return the assets of an item or collection in the document, by asset key.

        Args:
            owner: The item or collection.
        """
        collection = owner.collection_id if isinstance(owner, pystac.Item) else None
        found = await self.owner(collection, str(owner.id))
        assets = found.get("assets") if found is not None else None
        return assets if isinstance(assets, dict) else {}

    async def item(self, invalid: InvalidItem) -> dict[str, Any] | None:
        """Return the earlier item of a document that is no longer valid, if any.

        Args:
            invalid: The document.
        """
        placeholder = invalid.placeholder()
        found = await self.owner(placeholder.collection_id, placeholder.id)
        if found is not None:
            notice("Items are not valid, and the document keeps their earlier form", invalid.name)
        return found


async def replace_document(
    location: Location | None,
    destination: Destination,
    build: Callable[[EarlierDocument], Awaitable[tuple[_T, bytes | None]]],
) -> _T:
    """Write a document that depends on the document of an earlier run, and return the new object.

    If another run replaces the document meanwhile, the new document is built again.

    Args:
        location: The location of the document, if a document is written.
        destination: The destination of the document.
        build: Returns the new object, and its document if the document is to be written.

    Raises:
        DestinationError: The document cannot be written.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        earlier = EarlierDocument(location, destination)
        new, data = await build(earlier)
        if location is None or data is None:
            break
        try:
            await destination.write(destination.key_of(str(location)), data, earlier.version)
            break
        except VersionError:
            if attempt == _ATTEMPTS:
                raise
    return new


def would_be_empty(outcomes: Sequence[Outcome], config: Config) -> bool:
    """Return whether a rewritten document would have no asset, because all assets failed.

    Such a document is not written. The document of an earlier run is kept.

    Args:
        outcomes: The outcomes of the assets.
        config: Whether failed assets are deleted.
    """
    return (
        config.error_strategy is ErrorStrategy.DELETE
        and bool(outcomes)
        and all(isinstance(one, Failed) and one.kept is None for one in outcomes)
    )


def _owners(data: bytes) -> dict[tuple[str | None, str], dict[str, Any] | None]:
    """Return the items and collections of a document, if the document is valid."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    features = document.get("features") if isinstance(document, dict) else None
    owners: dict[tuple[str | None, str], dict[str, Any] | None] = {}
    for owner in features if isinstance(features, list) else [document]:
        if isinstance(owner, dict) and "assets" in owner:
            collection = owner.get("collection")
            key = (collection if isinstance(collection, str) else None, str(owner.get("id")))
            owners[key] = None if key in owners else owner
    return owners
