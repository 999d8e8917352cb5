"""What a local STAC document says of its assets.

It is read as plain JSON: a document that is no valid STAC still tells which files it is about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import absolute_href, is_local, local_path
from stac_asset.stac.item_files import read_items

_WHOLE = 16 * 1024 * 1024
"""Bytes of the largest document that is read whole; what is larger can only be many items."""


@dataclass(frozen=True, slots=True)
class ExpectedAsset:
    """What a document says of one asset."""

    document: str
    """The absolute path of the document."""

    owner: str
    """Whose asset it is, e.g. `item 'S2B_31UFU'`."""

    owner_id: str
    """The id of the item or collection."""

    key: str
    """The asset's key."""

    href: Any = field(repr=False)
    """The href as it stands there, which may be anything."""

    size: int | None = None
    """Bytes, where `file:size` tells."""

    checksum: str | None = None
    """What `file:checksum` tells."""

    source: str | None = field(default=None, repr=False)
    """The href of the document that this one was made from, if it says."""


def owners_of(path: Path) -> Iterator[dict[str, Any]] | None:
    """Returns the items and collections of a JSON file, or None where it is not STAC.

    Args:
        path: The file.

    Raises:
        SourceError: It is no whole JSON, or cannot be read; also while they are drawn.
    """
    try:
        large = path.stat().st_size > _WHOLE
        document: Any = None if large else json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"it is no JSON: {error}") from None
    items = read_items(path, str(path)) if large else _features(document)
    if items is None:
        return iter([document]) if _is_stac(document) else None
    try:
        first = next(items, None)
    except SourceError:
        return None  # Large, and no FeatureCollection.
    if first is None:
        return iter([])
    return _checked(chain([first], items)) if _is_stac(first) else None


def _features(document: Any) -> Iterator[Any] | None:
    """Returns the features of a FeatureCollection, or None where a document is none."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        return iter(features) if isinstance(features, list) else None
    return None


def _checked(features: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for number, feature in enumerate(features):
        if not _is_stac(feature):
            raise SourceError(f"its feature {number} is no STAC item")
        yield feature


def _is_stac(document: Any) -> bool:
    if not isinstance(document, dict) or "stac_version" not in document:
        return False
    if document.get("type") not in ("Feature", "Collection"):
        return False
    assets = document.get("assets", {} if document.get("type") == "Collection" else None)
    return isinstance(assets, dict)


def stated(document: Path, owners: Iterable[dict[str, Any]]) -> Iterator[ExpectedAsset]:
    """Yields what a document says of each asset.

    Args:
        document: The absolute path of the document.
        owners: Its items and collections.
    """
    for owner in owners:
        name = str(owner.get("id"))
        kind = "collection" if owner.get("type") == "Collection" else "item"
        source = _source(owner, document)
        for key, asset in owner.get("assets", {}).items():
            fields = asset if isinstance(asset, dict) else {}
            size, checksum = fields.get("file:size"), fields.get("file:checksum")
            yield ExpectedAsset(
                document=str(document),
                owner=f"{kind} '{name}'",
                owner_id=name,
                key=key,
                href=fields.get("href"),
                size=size if type(size) is int and size >= 0 else None,
                checksum=checksum if isinstance(checksum, str) else None,
                source=source,
            )


def _source(owner: Mapping[str, Any], document: Path) -> str | None:
    """Returns the last `derived_from` link: those before it were the source's own."""
    links = owner.get("links")
    for link in reversed(links if isinstance(links, list) else []):
        if isinstance(link, dict) and link.get("rel") == "derived_from":
            try:
                return absolute_href(link.get("href"), str(document))
            except HrefError:
                return None
    return None


def local_file(asset: ExpectedAsset) -> Path | None:
    """Returns the file that an asset names, wherever that is, or None where its href is a URL.

    Args:
        asset: What a document says.

    Raises:
        HrefError: The href is none.
    """
    href = absolute_href(asset.href, asset.document)
    return Path(os.path.abspath(local_path(href))) if is_local(href) else None
