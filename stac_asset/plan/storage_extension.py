"""Reads the fields of the storage extension, which describe the object store of an asset.

The planner adds the result to each candidate href. Fields of an unexpected shape are ignored.
Source: https://github.com/stac-extensions/storage, 2.0 (schemes and refs) and 1.x (flat fields).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stac_asset.types import Storage

_VARIABLE = re.compile(r"\{(\w+)\}")
_FLAT = {"storage:platform", "storage:region", "storage:requester_pays"}
"""Fields of version 1.x."""

_URL = re.compile(r"https?://[a-zA-Z0-9.-]+(:\d{1,5})?(/[a-zA-Z0-9._~/-]*)?")
"""The URL of a service, without user, password, query and variables of the template."""


def storage_of(
    fields: Mapping[str, Any], asset: Mapping[str, Any], owner: Mapping[str, Any]
) -> Storage | None:
    """Return the object store of an href, if the item declares the store.

    Args:
        fields: The fields of the asset or alternate that has the href.
        asset: The fields of the asset, for fields that the alternate omits.
        owner: The properties of the item, or the fields of the collection.
    """
    schemes = owner.get("storage:schemes")
    if schemes and isinstance(schemes, Mapping):
        for refs in (fields.get("storage:refs"), asset.get("storage:refs")):
            for ref in refs if isinstance(refs, list) else ():
                scheme = schemes.get(ref) if isinstance(ref, str) else None
                # There may be several refs. A scheme of Azure does not apply to an s3 href.
                if isinstance(scheme, Mapping) and scheme.get("type") != "ms-azure":
                    return _scheme(scheme)
    for flat in (fields, asset, owner):
        if not _FLAT.isdisjoint(flat):
            platform = flat.get("storage:platform", "AWS")
            return Storage(
                # The region names of other platforms are not valid for S3.
                region=_text(flat.get("storage:region")) if platform == "AWS" else None,
                requester_pays=flat.get("storage:requester_pays") is True,
            )
    return None


def _scheme(scheme: Mapping[str, Any]) -> Storage:
    endpoint = _endpoint(scheme) if scheme.get("type") == "custom-s3" else None
    return Storage(_text(scheme.get("region")), endpoint, scheme.get("requester_pays") is True)


def _endpoint(scheme: Mapping[str, Any]) -> str | None:
    """Return the URL of a service from a template such as `https://{bucket}.{region}.example.com`.

    The bucket is removed, because the client adds the bucket to the path. Other variables are
    replaced by the fields of the scheme.
    """
    platform = _text(scheme.get("platform")) or ""
    url = platform.replace("{bucket}.", "").replace("/{bucket}", "")
    url = _VARIABLE.sub(lambda match: _text(scheme.get(match[1])) or match[0], url).rstrip("/")
    return url if _URL.fullmatch(url) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
