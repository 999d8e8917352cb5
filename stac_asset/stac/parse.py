"""Reads STAC documents by href, and remembers where they came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import pystac

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import absolute_href, is_local
from stac_asset.plan.provenance import ReadFrom

Stac: TypeAlias = pystac.Item | pystac.Collection | pystac.ItemCollection
"""What can be downloaded."""


def load_stac(path: Path) -> Stac:
    """Returns the STAC object of a local document, such as one that was written here.

    Args:
        path: The document.

    Raises:
        SourceError: It is no STAC.
    """
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"'{path}' is no JSON: {error}") from None
    return stac_of(document, str(path.absolute()), str(path))


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
            _set_self_href(item, base or _own_href(document, base))
            return item
        if kind == "Collection":
            mended, is_old = _mended(document), _is_old(document)
            collection = pystac.Collection.from_dict(mended, migrate=is_old)
            _set_self_href(collection, base or _own_href(document, base))
            # What pystac reads it cannot always copy and write: better to hear that now. Without
            # its links, for pystac fetches the parent to make a copy.
            probe = pystac.Collection.from_dict({**mended, "links": []}, migrate=is_old)
            probe.clone().to_dict(include_self_link=False, transform_hrefs=False)
            return collection
        if kind == "FeatureCollection":
            features = document.get("features")
            if not isinstance(features, list):
                raise ValueError("it has no list of features")
            items = [item_of(feature, base, n) for n, feature in enumerate(features, 1)]
            others = {k: v for k, v in document.items() if k not in ("features", "type")}
            return pystac.ItemCollection(items, extra_fields=others, clone_items=False)
    except Exception as error:  # pystac documents none of what it raises on hostile input
        reason = str(error) or type(error).__name__
        raise SourceError(f"'{name}' is no valid STAC {kind}: {reason}") from None
    raise SourceError(
        f"'{name}' is no STAC item, collection or item collection: its type is "
        f"{kind!r}, which should be 'Feature' (with assets), 'Collection' or 'FeatureCollection'"
    )


def item_of(feature: Any, base: str | None, number: int | None = None) -> pystac.Item:
    """Returns an item of an item collection.

    Args:
        feature: The item's document; it is not changed.
        base: Where the collection was read from, if anywhere.
        number: Which one it is, from 1, if anybody has counted.

    Raises:
        SourceError: It is no item.
    """
    try:
        item = _item(feature)
    except Exception as error:  # As above.
        name = "an item" if number is None else f"item {number}"
        if isinstance(feature, dict) and "id" in feature:
            name += f" ({feature['id']!r})"
        reason = str(error) or type(error).__name__
        raise SourceError(f"{name} is no valid STAC: {reason}") from None
    _set_self_href(item, _own_href(feature, base))
    return item


def _item(document: Any) -> pystac.Item:
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if "id" not in document:
        raise ValueError("it has no id")
    if not isinstance(document.get("properties"), dict):
        raise ValueError("its properties are no JSON object")
    old = _is_old(document)
    # Only a migration changes what it is given; a copy of everything would cost more than the rest.
    return pystac.Item.from_dict(_mended(document), migrate=old, preserve_dict=old)


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    """Returns a document that pystac does not refuse as a whole for one asset or link.

    An asset without href gets an empty one, and so becomes that asset's own trouble. A link
    without href leads nowhere, and is left out.
    """
    mended = dict(document)
    assets, links = document.get("assets"), document.get("links")
    if isinstance(assets, dict):
        mended["assets"] = {key: _with_href(asset) for key, asset in assets.items()}
    if isinstance(links, list):
        mended["links"] = [link for link in links if _is_link(link)]
    return mended


def _with_href(asset: object) -> dict[str, Any]:
    fields = asset if isinstance(asset, dict) else {}
    return fields if isinstance(fields.get("href"), str) else {**fields, "href": ""}


def _is_link(link: object) -> bool:
    return isinstance(link, dict) and all(
        isinstance(link.get(name), str) and link[name] for name in ("rel", "href")
    )


def _is_old(document: dict[str, Any]) -> bool:
    """Returns whether a document needs pystac's migration; what is of STAC 1 stays as it is."""
    return not str(document.get("stac_version", "1")).startswith("1")


def _set_self_href(owner: pystac.Item | pystac.Collection, base: str | None) -> None:
    # Not set_self_href, which rewrites the asset hrefs that are relative to the old one.
    owner.remove_links(pystac.RelType.SELF)
    if base is not None:
        link = ReadFrom(pystac.RelType.SELF, base, pystac.MediaType.JSON)
        link.target = base  # Which the constructor takes for a path of Windows.
        owner.add_link(link)


def _own_href(document: dict[str, Any], base: str | None) -> str | None:
    """Returns a document's own href; what is not known to be local cannot claim to be."""
    links = document.get("links")
    claims = [link for link in links if _is_link(link)] if isinstance(links, list) else []
    claimed = next((link["href"] for link in claims if link["rel"] == "self"), None)
    try:
        own = absolute_href(claimed, base)
    except HrefError:
        return base
    return base if is_local(own) and (base is None or not is_local(base)) else own
