"""Internal: the times of items, for the freshness of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pystac

from stac_asset.hrefs import unquoted_name
from stac_asset.mirror.layout import CATALOG, COLLECTION
from stac_asset.mirror.search.window import moment
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.plan.owners import Owner
from stac_asset.stac.json_text import loads
from stac_asset.types import Failed, Outcome


def completed_moment(owner: Owner, outcomes: Iterable[Outcome]) -> datetime | None:
    """Return the time of an item, if no asset failed.

    Args:
        owner: The item or collection.
        outcomes: The outcomes of the assets.
    """
    if not isinstance(owner, pystac.Item):
        return None
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        return None
    properties = owner.properties
    return moment(properties.get("end_datetime")) or moment(properties.get("datetime"))


def newest_moment(storage: MirrorStorage) -> datetime | None:
    """Return the time of the newest item of a mirror, from the extents of the collections.

    Items without a collection have no extent. A mirror of only such items has no newest time.

    Args:
        storage: The files of the mirror. The function reads a document for each collection.

    Raises:
        DestinationError: A request to an object store failed.
    """
    catalog = _read(storage, CATALOG)
    times = (_end(_read(storage, path)) for path in _collections(catalog))
    return max((time for time in times if time is not None), default=None)


def _collections(catalog: dict[str, Any]) -> Iterator[str]:
    links = catalog.get("links")
    for link in links if isinstance(links, list) else ():
        href = link.get("href") if isinstance(link, dict) and link.get("rel") == "child" else None
        folder, _, name = str(href).removeprefix("./").partition("/")
        if href is not None and name == COLLECTION:
            yield f"{unquoted_name(folder)}/{COLLECTION}"


def _end(collection: dict[str, Any]) -> datetime | None:
    try:
        return moment(collection["extent"]["temporal"]["interval"][0][1])
    except (KeyError, IndexError, TypeError):
        return None


def _read(storage: MirrorStorage, path: str) -> dict[str, Any]:
    """Return a document. A missing or invalid document is empty."""
    data = storage.read(path)
    try:
        document = loads(data) if data is not None else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
