"""Reads what the storage extension says of the object store that holds an asset.

Source: https://github.com/stac-extensions/storage, 2.0 (schemes and refs) and 1.x (flat fields).
Whatever has another shape than the extension says counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stac_asset.types import Storage

_VARIABLE = re.compile(r"\{(\w+)\}")
_FLAT = {"storage:platform", "storage:region", "storage:requester_pays"}
_URL = re.compile(r"https?://[a-zA-Z0-9.-]+(:\d{1,5})?(/[a-zA-Z0-9._~/-]*)?")
"""A service's URL: without user, password, query, and variables that nothing was put in for."""


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
                # Refs may name several; a scheme of Azure says nothing of an s3 href.
                if isinstance(scheme, Mapping) and scheme.get("type") != "ms-azure":
                    return _scheme(scheme)
    for flat in (fields, asset, owner):
        if not _FLAT.isdisjoint(flat):
            platform = flat.get("storage:platform", "AWS")
            return Storage(
                # The regions of other platforms are no regions of S3.
                region=_text(flat.get("storage:region")) if platform == "AWS" else None,
                requester_pays=flat.get("storage:requester_pays") is True,
            )
    return None


def _scheme(scheme: Mapping[str, Any]) -> Storage:
    endpoint = _endpoint(scheme) if scheme.get("type") == "custom-s3" else None
    return Storage(_text(scheme.get("region")), endpoint, scheme.get("requester_pays") is True)


def _endpoint(scheme: Mapping[str, Any]) -> str | None:
    """Returns the service's URL of a template such as `https://{bucket}.{region}.example.com`.

    The bucket goes to the path, where a client puts it, and other variables are properties of the
    scheme.
    """
    platform = _text(scheme.get("platform")) or ""
    url = platform.replace("{bucket}.", "").replace("/{bucket}", "")
    url = _VARIABLE.sub(lambda match: _text(scheme.get(match[1])) or match[0], url).rstrip("/")
    return url if _URL.fullmatch(url) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
