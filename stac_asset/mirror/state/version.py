"""Versions of items, which show whether an item changed at the source since the last run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stac_asset.errors import HrefError
from stac_asset.hrefs import absolute_href
from stac_asset.redact import unsigned_href


@dataclass(frozen=True, slots=True)
class Version:
    """Properties of an item that differ between versions."""

    updated: str | None
    """The item's property `updated`."""

    etag: str | None
    """ETag of the document, for an item without `updated` that was read from a separate URL."""

    assets: Mapping[str, str]
    """Digests of href, size, checksum and `updated` of the wanted assets, by asset key."""

    def is_included_in(self, mirrored: Version) -> bool:
        """Return whether a mirrored version is this version and has all wanted assets.

        The mirrored version may have more assets.

        Args:
            mirrored: Version in the mirror.
        """
        same_assets = mirrored.assets.items() >= self.assets.items()
        return self.has_same_metadata(mirrored) and same_assets

    def has_same_metadata(self, other: Version) -> bool:
        """Return whether two versions have the same `updated` and ETag, regardless of assets.

        Args:
            other: Another version of the item.
        """
        same_etag = None in (self.etag, other.etag) or self.etag == other.etag
        return self.updated == other.updated and same_etag

    def to_dict(self) -> dict[str, Any]:
        """Return the version in the form that documents and the index store."""
        fields = {"updated": self.updated, "etag": self.etag, "assets": dict(self.assets)}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_dict(cls, fields: Any) -> Version:
        """Return a stored version.

        Args:
            fields: A result of `to_dict`, or a value of any shape.

        Raises:
            ValueError: The value is not a version.
        """
        assets = fields.get("assets") if isinstance(fields, dict) else None
        if not isinstance(assets, dict) or not all(isinstance(v, str) for v in assets.values()):
            raise ValueError("Stored version has no valid `assets`")
        return cls(_text_or_none(fields.get("updated")), _text_or_none(fields.get("etag")), assets)


def version_of(
    document: Mapping[str, Any], base: str, etag: str | None, wants: Callable[[str], bool]
) -> Version:
    """Return the version of an item at the source.

    Signatures in hrefs do not change the version.

    Args:
        document: The item's document, of any shape.
        base: Base of relative hrefs in the document.
        etag: ETag of the document, if the document was read from its own URL.
        wants: Returns whether the asset with a key is wanted.
    """
    properties, assets = document.get("properties"), document.get("assets")
    updated = _text_or_none(properties.get("updated")) if isinstance(properties, dict) else None
    return Version(
        updated,
        etag if updated is None else None,
        {
            key: _digest(asset, base)
            for key, asset in (assets.items() if isinstance(assets, dict) else ())
            if wants(key)
        },
    )


def _digest(asset: Any, base: str) -> str:
    fields = asset if isinstance(asset, dict) else {}
    href = fields.get("href")
    try:
        href = unsigned_href(absolute_href(href, base))
    except HrefError:
        href = repr(href)
    values = [href, *(fields.get(name) for name in ("file:size", "file:checksum", "updated"))]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
