"""Internal: the fields of an asset that a plan depends on. Malformed values are ignored."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import pystac

from stac_asset.hrefs import is_openable
from stac_asset.integrity import Multihash
from stac_asset.notices import notice
from stac_asset.plan.storage_extension import storage_of
from stac_asset.types import Storage


def hrefs_of(
    asset: pystac.Asset, common: Mapping[str, Any], preferred: list[str]
) -> Iterator[tuple[object, Storage | None]]:
    """Yield the hrefs of an asset with storage fields, the preferred alternates first.

    The other alternates follow the asset's own href only if no built-in client can open that href.
    """
    fields = asset.extra_fields
    alternates = fields.get("alternate")
    if not alternates or not isinstance(alternates, Mapping):
        yield asset.href, storage_of(fields, fields, common)
        return
    others = (
        [] if is_openable(asset.href) else [name for name in alternates if name not in preferred]
    )
    for name in (*preferred, None, *others):
        if name is None:
            yield asset.href, storage_of(fields, fields, common)
        elif isinstance(alternate := alternates.get(name), Mapping):
            yield alternate.get("href"), storage_of(alternate, fields, common)


def common_fields(owner: pystac.Item | pystac.Collection | None) -> Mapping[str, Any]:
    """Return the fields of an item or collection that apply to all of its assets."""
    if isinstance(owner, pystac.Item):
        return owner.properties
    return owner.extra_fields if owner is not None else {}


def size_of(asset: pystac.Asset, key: str, owner: str) -> int | None:
    """Return the size in bytes that an asset declares.

    Args:
        asset: The asset.
        key: The key of the asset, for the notice about an invalid size.
        owner: The name of the item or collection, for the notice.
    """
    value = asset.extra_fields.get("file:size")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # In JSON, 9.0 is an integer.
    if type(value) is int and value >= 0:
        return value
    if value is not None:
        _notice_unverifiable(key, owner, "file:size", value, "number of bytes")
    return None


def checksum_of(asset: pystac.Asset, key: str, owner: str) -> str | None:
    """Return the checksum that an asset declares, also a checksum in another format.

    Args:
        asset: The asset.
        key: The key of the asset, for the notice about an invalid checksum.
        owner: The name of the item or collection, for the notice.
    """
    value = asset.extra_fields.get("file:checksum")
    if value is not None and Multihash.parse(value) is None:
        _notice_unverifiable(key, owner, "file:checksum", value, "multihash of a known algorithm")
    return value if isinstance(value, str) else None


def roles_of(asset: pystac.Asset) -> tuple[str, ...]:
    """Return the roles of an asset.

    Args:
        asset: The asset.
    """
    roles = asset.roles
    return tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()


def _notice_unverifiable(key: str, owner: str, name: str, value: object, expected: str) -> None:
    # Real catalogs contain plain digests and ETags in these fields. Download the asset anyway.
    notice(
        f"Assets cannot be verified, because their {name} is not a {expected}",
        f"{reprlib.repr(value)} of asset '{key}' of {owner}",
    )
