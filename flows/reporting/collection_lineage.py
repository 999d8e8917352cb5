"""Lineage of collections as Prefect assets: the newest item of each collection of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac
from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

from prefect_stac_asset.flows.reporting.lineage import (
    MATERIALIZED,
    REFERENCED,
    AssetEvent,
    asset_key,
    item_time,
    web_url,
)
from stac_asset.destinations.location import parsed_location
from stac_asset.types import Downloaded, Failed, Outcome

_NO_COLLECTION = "items"
"""Name of the asset of items without a collection."""


@dataclass(slots=True)
class _Collected:
    """The items of a collection that a run has downloaded so far."""

    source: str | None
    items: int = 0
    bytes: int = 0
    newest: str | None = None
    newest_item: str | None = None


class CollectionLineage:
    """The collections of the items that a run downloads.

    Memory grows with the number of collections, not with the number of items.

    Args:
        owners: The owners of the downloaded collections.
    """

    def __init__(self, owners: Sequence[str] = ()) -> None:
        self._owners = list(owners)
        self._collections: dict[str, _Collected] = {}

    def add(self, item: pystac.Item, outcomes: Sequence[Outcome]) -> None:
        """Count an item, unless an asset failed or all assets already existed.

        Args:
            item: The source item.
            outcomes: The outcomes of the assets.
        """
        if any(isinstance(outcome, Failed) for outcome in outcomes):
            return
        downloaded = [outcome.size for outcome in outcomes if isinstance(outcome, Downloaded)]
        if not downloaded:
            return
        name = item.collection_id or _NO_COLLECTION
        collected = self._collections.setdefault(name, _Collected(_source_of(item)))
        collected.items += 1
        collected.bytes += sum(downloaded)
        time = item_time(item)
        # The times have the same form, so that their texts are in order.
        if time is not None and (collected.newest is None or time > collected.newest):
            collected.newest, collected.newest_item = time, item.id

    def events(self, directory: str) -> Iterator[AssetEvent]:
        """Yield the events of the collections, at the end of the run.

        Args:
            directory: The directory of the run, or the URL of the prefix.
        """
        place = parsed_location(directory)
        uri = place.as_uri() if isinstance(place, Path) else str(place)
        for name, collected in self._collections.items():
            related = [AssetContext.related_materialized_by("stac-asset")]
            if collected.source is not None:
                source = AssetContext.asset_as_resource(_source_asset(name, collected.source))
                related.insert(0, {**source, "prefect.resource.role": "asset"})
                yield REFERENCED, source, [], {}
            asset = Asset(
                key=asset_key(f"{uri.rstrip('/')}/{name}"),
                properties=self._properties(name, collected),
            )
            payload: dict[str, Any] = {
                "collection": None if name == _NO_COLLECTION else name,
                "items": collected.items,
                "bytes": collected.bytes,
                "newest": collected.newest,
                "newest_item": collected.newest_item,
            }
            yield MATERIALIZED, AssetContext.asset_as_resource(asset), related, payload

    def _properties(self, name: str, collected: _Collected) -> AssetProperties:
        newest = f" Newest item: {collected.newest}." if collected.newest else ""
        values: dict[str, Any] = {
            "name": name,
            "description": f"Downloaded items of the STAC collection {name}.{newest}",
        }
        if self._owners:
            values["owners"] = self._owners
        if collected.source is not None:
            values["url"] = collected.source
        return AssetProperties(**values)


def _source_asset(name: str, url: str) -> Asset:
    description = f"The source of the STAC collection {name}."
    return Asset(
        key=asset_key(url), properties=AssetProperties(name=name, description=description, url=url)
    )


def _source_of(item: pystac.Item) -> str | None:
    """Return the URL of the collection that an item links to, without requests."""
    link = item.get_single_link("collection")
    if link is None:
        return None
    with suppress(ValueError):
        return web_url(link.get_absolute_href())
    return None
