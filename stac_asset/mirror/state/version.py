"""Versions of items, which show whether an item changed at the source since the last run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stac_asset.errors import HrefError
from stac_asset.hrefs import absolute_href
from stac_asset.mirror.search.window import canonical_time
from stac_asset.mirror.state.metadata_digest import metadata_digests
from stac_asset.redact import unsigned_href

_encode = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Version:
    """Properties of an item that differ between versions."""

    updated: str | None
    """The item's property `updated`."""

    etag: str | None
    """ETag of the document, for an item without `updated` that was read from a separate URL.

    Only compared with versions of releases that did not store digests of the metadata."""

    assets: Mapping[str, str]
    """Digests of href, size, checksum and `updated` of the wanted assets, by asset key."""

    metadata: str | None = None
    """Digest of all fields of the item except assets and links, if known."""

    asset_metadata: Mapping[str, str] = field(default_factory=dict)
    """Digests of all fields of the wanted assets, by asset key."""

    earlier_assets: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Values of `assets` that releases without `metadata` computed, if different. Not stored."""

    def is_included_in(self, mirrored: Version) -> bool:
        """Return whether a mirrored version has the files of all wanted assets of this version.

        The mirrored version may have more assets, and other metadata.

        Args:
            mirrored: Version in the mirror.
        """
        return self.has_same_age(mirrored) and all(
            self.has_same_asset(key, mirrored) for key in self.assets
        )

    def has_same_age(self, other: Version) -> bool:
        """Return whether two versions have the same `updated`, or the same ETag if not known.

        Args:
            other: Another version of the item.
        """
        if not _is_same_time(self.updated, other.updated):
            return False
        # Digests show changes of the document more precisely than an ETag.
        has_digests = None not in (self.metadata, other.metadata)
        return has_digests or None in (self.etag, other.etag) or self.etag == other.etag

    def has_same_asset(self, key: str, other: Version) -> bool:
        """Return whether an asset has the same href, size, checksum and `updated` in two versions.

        Args:
            key: Key of the asset.
            other: Another version of the item.
        """
        digest = self.assets.get(key)
        known = other.assets.get(key)
        return digest is not None and known in (digest, self.earlier_assets.get(key, digest))

    def has_same_metadata(self, mirrored: Version) -> bool:
        """Return whether a mirrored version has the metadata of this version.

        Args:
            mirrored: Version in the mirror, which has all wanted assets of this version.
        """
        return self.metadata == mirrored.metadata and all(
            mirrored.asset_metadata.get(key) == digest
            for key, digest in self.asset_metadata.items()
        )

    def merged_into(self, mirrored: Version, keys: Collection[str]) -> Version:
        """Return this version with further assets of a mirrored version.

        Args:
            mirrored: Version in the mirror.
            keys: Keys of the assets that the mirror keeps.
        """
        return dataclasses.replace(
            self,
            assets={**_selected(mirrored.assets, keys), **self.assets},
            asset_metadata={**_selected(mirrored.asset_metadata, keys), **self.asset_metadata},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the version in the form that documents and the index store."""
        fields = {
            "updated": self.updated,
            "etag": self.etag,
            "assets": dict(self.assets),
            "metadata": self.metadata,
            "asset_metadata": dict(self.asset_metadata) or None,
        }
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
        metadata = fields.get("asset_metadata")
        return cls(
            _text_or_none(fields.get("updated")),
            _text_or_none(fields.get("etag")),
            assets,
            _text_or_none(fields.get("metadata")),
            metadata if isinstance(metadata, dict) else {},
        )


def version_of(
    document: Mapping[str, Any],
    base: str,
    etag: str | None,
    wants: Callable[[str, object], bool],
) -> Version:
    """Return the version of an item at the source.

    Signatures in hrefs, and the form of times and numbers, do not change the version.

    Args:
        document: The item's document, of any shape.
        base: Base of relative hrefs in the document.
        etag: ETag of the document, if the document was read from its own URL.
        wants: Returns whether an asset, of any shape, is wanted. The key comes first.
    """
    properties, assets = document.get("properties"), document.get("assets")
    updated = _text_or_none(properties.get("updated")) if isinstance(properties, dict) else None
    wanted = {
        key: asset
        for key, asset in (assets.items() if isinstance(assets, dict) else ())
        if wants(key, asset)
    }
    digests = {key: _digests(asset, base) for key, asset in wanted.items()}
    metadata, asset_metadata = metadata_digests(document, wanted)
    return Version(
        updated,
        etag if updated is None else None,
        {key: digest for key, (digest, _) in digests.items()},
        metadata,
        asset_metadata,
        {key: earlier for key, (digest, earlier) in digests.items() if earlier != digest},
    )


def digests_of_undeclared(asset: Any, base: str) -> frozenset[str]:
    """Return the digests of an asset before the source declared its size, checksum or both.

    Args:
        asset: The asset in the item's document, of any shape.
        base: Base of relative hrefs in the document.
    """
    fields = asset if isinstance(asset, dict) else {}
    names = [name for name in ("file:size", "file:checksum") if fields.get(name) is not None]
    omitted = ([name] for name in names) if len(names) < 2 else ([names[0]], [names[1]], names)
    return frozenset(_digests({**fields, **dict.fromkeys(some)}, base)[0] for some in omitted)


def _digests(asset: Any, base: str) -> tuple[str, str]:
    """Return the digest of an asset's file, and the digest that earlier releases computed."""
    fields = asset if isinstance(asset, dict) else {}
    href = fields.get("href")
    try:
        href = unsigned_href(absolute_href(href, base))
    except HrefError:
        href = repr(href)
    size, checksum, updated = (fields.get(n) for n in ("file:size", "file:checksum", "updated"))
    given = [href, size, checksum, updated]
    whole = int(size) if isinstance(size, float) and size.is_integer() else size
    same = [href, whole, checksum, canonical_time(updated) if isinstance(updated, str) else updated]
    digest = _digest(same)
    return digest, digest if same == given and type(whole) is type(size) else _digest(given)


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(_encode(values).encode()).hexdigest()[:16]


def _is_same_time(first: str | None, second: str | None) -> bool:
    if first is None or second is None:
        return first is second
    return first == second or canonical_time(first) == canonical_time(second)


def _selected(digests: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    return {key: digest for key, digest in digests.items() if key in keys}


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
