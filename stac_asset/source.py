"""Reads STAC documents by href, and remembers where they came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import pystac

from stac_asset.clients.base import Request
from stac_asset.clients.mapping import mapped_errors
from stac_asset.clients.routes import Clients
from stac_asset.config import Config
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.retry import retrying

_ATTEMPTS = 3
"""A document that cannot be read ends a run, and somebody may be waiting to hear it."""

Stac: TypeAlias = pystac.Item | pystac.Collection | pystac.ItemCollection
"""What can be downloaded."""


async def read_stac(href: str, clients: Clients, config: Config) -> Stac:
    """Reads an item, a collection or an item collection.

    Its self href is where it was read from, whatever the document says of itself: what is local
    and what is remote decides which files it may name.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: How often to try.

    Raises:
        SourceError: It cannot be read, is no JSON, or is no STAC.
    """
    try:
        data = await read_bytes(href, clients, config)
    except StacAssetError as error:
        raise SourceError(f"'{redact_href(href)}' cannot be read: {error}") from error
    try:
        document = json.loads(data)
    except ValueError as error:
        raise SourceError(f"'{redact_href(href)}' is no JSON: {error}") from None
    base = str(local_path(href).absolute()) if is_local(href) else href
    return stac_of(document, base, redact_href(href))


async def read_bytes(href: str, clients: Clients, config: Config) -> bytes:
    """Returns the bytes of an href.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: How often to try.

    Raises:
        StacAssetError: It cannot be read.
    """
    async for attempt in retrying(config, _ATTEMPTS):
        with attempt, mapped_errors(href):
            client = await clients.get_client(href)
            async with client.fetch(Request(parse_href(href))) as response:
                data = b"".join([chunk async for chunk in response.chunks])
    return data


def load_stac(path: Path) -> Stac:
    """Returns the STAC object of a local document, such as one that was written here.

    Args:
        path: The document.

    Raises:
        SourceError: It is no STAC.
    """
    return stac_of(json.loads(path.read_bytes()), str(path.absolute()), str(path))


def stac_of(document: Any, base: str | None, name: str) -> Stac:
    """Returns the STAC object that a JSON document is.

    Args:
        document: The parsed document, of any shape; it is not changed.
        base: Where it was read from. If None, its own word for that counts, unless it claims to
            be a local file.
        name: What to call it in errors.

    Raises:
        SourceError: It is no STAC item, collection or item collection.
    """
    kind = document.get("type") if isinstance(document, dict) else None
    try:
        if kind == "Feature" and isinstance(document.get("assets"), dict):
            item = _item(document)
            _set_self_href(item, base or _own_href(item, base))
            return item
        if kind == "Collection":
            collection = pystac.Collection.from_dict(document, migrate=_is_old(document))
            _set_self_href(collection, base or _own_href(collection, base))
            return collection
        if kind == "FeatureCollection":
            items = [_item(feature) for feature in document["features"]]
            for item in items:
                _set_self_href(item, _own_href(item, base))
            others = {k: v for k, v in document.items() if k not in ("features", "type")}
            return pystac.ItemCollection(items, extra_fields=others, clone_items=False)
    except Exception as error:  # pystac documents none of what it raises on hostile input
        reason = str(error) or type(error).__name__
        raise SourceError(f"'{name}' is no valid STAC {kind}: {reason}") from None
    raise SourceError(
        f"'{name}' is no STAC item, collection or item collection: its type is "
        f"{kind!r}, which should be 'Feature' (with assets), 'Collection' or 'FeatureCollection'"
    )


def _item(document: Any) -> pystac.Item:
    return pystac.Item.from_dict(document, migrate=_is_old(document))


def _is_old(document: dict[str, Any]) -> bool:
    """Returns whether a document needs pystac's migration; what is of STAC 1 stays as it is."""
    return not str(document.get("stac_version", "1")).startswith("1")


def _set_self_href(owner: pystac.Item | pystac.Collection, base: str | None) -> None:
    # Not set_self_href, which rewrites the asset hrefs that are relative to the old one.
    owner.remove_links(pystac.RelType.SELF)
    if base is not None:
        owner.add_link(pystac.Link(pystac.RelType.SELF, base, pystac.MediaType.JSON))


def _own_href(owner: pystac.Item | pystac.Collection, base: str | None) -> str | None:
    """Returns an object's own href; what is not known to be local cannot claim to be."""
    own = owner.get_self_href()
    if own is None or (is_local(own) and (base is None or not is_local(base))):
        return base
    return own
