"""Reads the assets that a STAC document of a destination declares.

Documents are read as plain JSON, so that the files of invalid STAC documents can be verified too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from stac_asset.destinations.location import Location, StorePath
from stac_asset.errors import HrefError, SourceError, UnsafePathError
from stac_asset.hrefs import absolute_href, is_local, is_missing, local_path, stripped_href
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import read_items
from stac_asset.stac.json_text import loads

_MAX_SINGLE = 16 * 1024 * 1024
"""Maximum size, in bytes, of a document that is read as a whole. Larger item collections are
read item by item, and other larger documents are ignored."""


@dataclass(frozen=True, slots=True)
class ExpectedAsset:
    """An asset as declared by a document."""

    document: str
    """The location of the document: an absolute path, or a URL."""

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


def owners_of(path: Path, name: str) -> Iterator[dict[str, Any]] | None:
    """Return the items and collections of a JSON file, or None if the file is not STAC.

    Args:
        path: The file, or a copy of an object.
        name: The location of the file, for messages.

    Raises:
        SourceError: The file cannot be read, or is not complete JSON. The iterator raises this
            error too, also for a feature that is not STAC.
    """
    try:
        large = path.stat().st_size > _MAX_SINGLE
        document: Any = None if large else loads(path.read_bytes(), name)
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SourceError(f"the file is not JSON: {error}") from None
    items = read_items(path, name) if large else _features(document)
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


def expected_assets(document: str, owners: Iterable[dict[str, Any]]) -> Iterator[ExpectedAsset]:
    """Yield the assets that a document declares.

    Args:
        document: The location of the document.
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
                document=document,
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


def _source(owner: Mapping[str, Any], document: str) -> str | None:
    """Return the href of the last `derived_from` link. Earlier links are copied from the source."""
    links = owner.get("links")
    for link in reversed(links if isinstance(links, list) else []):
        if isinstance(link, dict) and link.get("rel") == "derived_from":
            try:
                return absolute_href(link.get("href"), document)
            except HrefError:
                return None
    return None


def file_location(asset: ExpectedAsset, directory: Location) -> str | None:
    """Return the location of the file of an asset, or None if the asset was not downloaded.

    The location may be outside of the verified destination. An absolute URL that leads outside of
    a prefix is the source of an asset that was not downloaded.

    Args:
        asset: The asset, as its document declares it.
        directory: The verified directory or prefix.

    Raises:
        HrefError: The href is missing or invalid.
        UnsafePathError: A document of an object store references a file of this machine.
    """
    href = absolute_href(asset.href, asset.document)
    if not isinstance(directory, StorePath):
        return os.path.abspath(local_path(href)) if is_local(href) else None
    if is_local(href):
        raise UnsafePathError(
            f"the document {asset.document} references the file {redact_href(href)} of this machine"
        )
    is_url = href == stripped_href(asset.href)
    return None if is_url and not href.startswith(f"{directory}/") else href
