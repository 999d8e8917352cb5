"""Reads what the storage extension says of the object store that holds an asset.

Source: https://github.com/stac-extensions/storage, 2.0 (schemes and refs) and 1.x (flat fields).
Whatever has another shape than the extension says counts as not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stac_asset.types import Storage


def storage_of(
    fields: Mapping[str, Any], asset: Mapping[str, Any], owner: Mapping[str, Any]
) -> Storage | None:
    """Returns where an href's object store is, if the item says.

    Args:
        fields: The fields of the asset or of its alternate that is asked for.
        asset: The fields of the asset, for what an alternate does not say itself.
        owner: The item's properties, or the collection's fields.
    """
    schemes = owner.get("storage:schemes")
    for refs in (fields.get("storage:refs"), asset.get("storage:refs")):
        if isinstance(schemes, Mapping) and isinstance(refs, list):
            for ref in refs:
                scheme = schemes.get(ref) if isinstance(ref, str) else None
                if isinstance(scheme, Mapping):
                    return _scheme(scheme)
    for flat in (fields, asset, owner):
        if any(f"storage:{name}" in flat for name in ("platform", "region", "requester_pays")):
            return Storage(
                region=_text(flat.get("storage:region")),
                requester_pays=flat.get("storage:requester_pays") is True,
            )
    return None


def _scheme(scheme: Mapping[str, Any]) -> Storage:
    region = _text(scheme.get("region"))
    endpoint = None
    if scheme.get("type") == "custom-s3":
        endpoint = _endpoint(_text(scheme.get("platform")), region)
    return Storage(region, endpoint, scheme.get("requester_pays") is True)


def _endpoint(platform: str | None, region: str | None) -> str | None:
    """Returns the service's URL of a template such as `https://{bucket}.{region}.example.com`."""
    if platform is None:
        return None
    url = platform.replace("{bucket}.", "").replace("/{bucket}", "")
    if "{region}" in url and region:
        url = url.replace("{region}", region)
    return url.rstrip("/") if url.startswith(("http://", "https://")) and "{" not in url else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
