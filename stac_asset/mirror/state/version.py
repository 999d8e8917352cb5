"""Which version of an item a mirror has, and whether the source has another one."""

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
    """What a source says of an item, as far as it tells one version from another."""

    updated: str | None
    """The item's `updated`."""

    etag: str | None
    """The ETag of its document, where it has no `updated` and was read by itself."""

    assets: Mapping[str, str]
    """A digest of each wanted asset's href, size and checksum, by its key."""

    def is_of(self, other: Version) -> bool:
        """Returns whether both are the same, though more may be wanted of this one.

        Args:
            other: The version that was mirrored.
        """
        return self.says_as(other) and other.assets.items() >= self.assets.items()

    def says_as(self, other: Version) -> bool:
        """Returns whether the item itself, whatever its assets are, is the same.

        Args:
            other: The version that was mirrored.
        """
        same_etag = None in (self.etag, other.etag) or self.etag == other.etag
        return self.updated == other.updated and same_etag

    def to_dict(self) -> dict[str, Any]:
        """Returns it as it is written down."""
        fields = {"updated": self.updated, "etag": self.etag, "assets": dict(self.assets)}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_dict(cls, fields: Any) -> Version:
        """Returns what was written down.

        Args:
            fields: What `to_dict` gave.

        Raises:
            ValueError: It is something else.
        """
        assets = fields.get("assets") if isinstance(fields, dict) else None
        if not isinstance(assets, dict) or not all(isinstance(v, str) for v in assets.values()):
            raise ValueError("this is no version")
        return cls(_text(fields.get("updated")), _text(fields.get("etag")), assets)


def version_of(
    document: Mapping[str, Any], base: str, etag: str | None, wants: Callable[[str], bool]
) -> Version:
    """Returns the version of an item.

    Signatures in hrefs make no other version.

    Args:
        document: The item's document, of any shape.
        base: What its hrefs are relative to.
        etag: The ETag of the document, if it was read by itself.
        wants: Whether an asset of a key is wanted.
    """
    properties, assets = document.get("properties"), document.get("assets")
    updated = _text(properties.get("updated")) if isinstance(properties, dict) else None
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
    said = [href, *(fields.get(name) for name in ("file:size", "file:checksum", "updated"))]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
