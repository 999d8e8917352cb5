"""Reads the assets that a local STAC document declares.

Documents are read as plain JSON, so that the files of invalid STAC documents can be verified too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import absolute_href, is_local, is_missing, local_path
from stac_asset.stac.item_files import read_items
from stac_asset.stac.json_text import loads

_MAX_SINGLE = 16 * 1024 * 1024
"""Maximum size, in bytes, of a document that is read as a whole. Larger item collections are
read item by item, and other larger documents are ignored."""


@dataclass(frozen=True, slots=True)
class ExpectedAsset:
    """An asset as declared by a document."""

    document: str
    """The absolute path of the document."""

    owner: str
    """The item or collection of the asset, such as `item 'S2B_31UFU'`."""

    owner_id: str
    """The id of the item or collection."""

    key: str
    """The key of the asset."""

    href: Any = field(repr=False)
    """The href in the document. Any JSON value."""

    size: int | None = None
    """Size in bytes, from `file:size`."""

    checksum: str | None = None
    """Checksum, from `file:checksum`."""

    source: str | None = field(default=None, repr=False)
    """The href of the source document, from the last `derived_from` link."""

    media_type: Any = None
    """The media type of the asset. Any JSON value."""

    roles: Any = None
    """The roles of the asset. Any JSON value."""


def owners_of(path: Path) -> Iterator[dict[str, Any]] | None:
    """Return the items and collections of a JSON file, or None if the file is not STAC.

    Args:
        path: The file.

    Raises:
        SourceError: The file cannot be read, or is not complete JSON. The iterator raises this
            error too, also for a feature that is not STAC.
    """
    try:
        large = path.stat().st_size > _MAX_SINGLE
        document: Any = None if large else loads(path.read_bytes(), str(path))
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SourceError(f"the file is not JSON: {error}") from None
    items = read_items(path, str(path)) if large else _features(document)
    if items is None:
        return iter([document]) if _is_stac(document) else None
    try:
        first = next(items, None)
    except SourceError:
        return None  # Large, and not a FeatureCollection.
    if first is None:
        return iter([])
    return _checked(chain([first], items)) if _is_stac(first) else None


def _features(document: Any) -> Iterator[Any] | None:
    """Return the features of a document, if the document is a FeatureCollection."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        return iter(features) if isinstance(features, list) else None
    return None


def _checked(features: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the features.

    Raises:
        SourceError: A feature is not STAC.
    """
    for number, feature in enumerate(features, 1):
        if not _is_stac(feature):
            raise SourceError(f"feature {number} is not a STAC item or collection")
        yield feature


def _is_stac(document: Any) -> bool:
    if not isinstance(document, dict) or "stac_version" not in document:
        return False
    if document.get("type") not in ("Feature", "Collection"):
        return False
    assets = document.get("assets", {} if document.get("type") == "Collection" else None)
    return isinstance(assets, dict)


def expected_assets(document: Path, owners: Iterable[dict[str, Any]]) -> Iterator[ExpectedAsset]:
    """Yield the assets that a document declares.

    Args:
        document: The absolute path of the document.
        owners: The items and collections of the document.
    """
    for owner in owners:
        name = str(owner.get("id"))
        kind = "collection" if owner.get("type") == "Collection" else "item"
        source = _source(owner, document)
        for key, asset in owner.get("assets", {}).items():
            fields = asset if isinstance(asset, dict) else {}
            if isinstance(asset, dict) and is_missing(asset.get("href")):
                continue  # The source has no href either, so the asset has no file.
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
                media_type=fields.get("type"),
                roles=fields.get("roles"),
            )


def _source(owner: Mapping[str, Any], document: Path) -> str | None:
    """Return the href of the last `derived_from` link. Earlier links are copied from the source."""
    links = owner.get("links")
    for link in reversed(links if isinstance(links, list) else []):
        if isinstance(link, dict) and link.get("rel") == "derived_from":
            try:
                return absolute_href(link.get("href"), str(document))
            except HrefError:
                return None
    return None


def local_file(asset: ExpectedAsset) -> Path | None:
    """Return the absolute path of the file of an asset, if the href is local.

    The path may be outside of the verified directory.

    Args:
        asset: The asset, as its document declares it.

    Raises:
        HrefError: The href is missing or invalid.
    """
    href = absolute_href(asset.href, asset.document)
    return Path(os.path.abspath(local_path(href))) if is_local(href) else None
