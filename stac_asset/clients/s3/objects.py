"""Reads s3 urls and what the storage extension adds to them, and what S3 says of an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from yarl import URL

from stac_asset.clients.content_range import Extent
from stac_asset.errors import HrefError, SchemeError
from stac_asset.redact import redact_href
from stac_asset.types import Storage

_AWS_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
"""What botocore takes for a region."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, and whether they are signed."""

    region: str
    """The region that is asked first; S3 may name another one."""

    endpoint: str | None
    """The URL of an S3-compatible service, or None for AWS."""

    signed: bool
    """Whether requests carry a signature, and with it a session token."""


def object_of(url: URL) -> tuple[str, str]:
    """Returns the bucket and the key that a url names.

    S3 knows no queries and fragments: what looks like one is part of the key.

    Args:
        url: The url, whose percent-encoding is decoded; `parse_href` encodes keys.

    Raises:
        SchemeError: It is no s3 url.
        HrefError: It names no object.
    """
    if url.scheme != "s3":
        raise SchemeError(f"'{redact_href(url)}' is no s3 url")
    key = unquote(str(url).partition("://")[2].partition("/")[2])
    if not url.raw_host or not key:
        raise HrefError(f"'{redact_href(url)}' names no object, as s3://bucket/key does")
    return url.raw_host, key


def shown_href(url: URL) -> str:
    """Returns the href of an s3 url as it may be shown: as it stands in an item.

    Args:
        url: The url.
    """
    authority, slash, key = str(url).partition("://")[2].partition("/")
    key, query, _ = unquote(key).partition("?")
    return f"{url.scheme}://{authority.rpartition('@')[2]}{slash}{key}{'?…' if query else ''}"


def place_of(storage: Storage | None, region_name: str, endpoint_url: str | None) -> Place:
    """Returns where an object is, and whether credentials may go there.

    They may go to AWS, and to the endpoint that the client itself names. An endpoint that only an
    item names gets none: whoever wrote the item could be anybody.

    Args:
        storage: What the item says of the object store, if anything.
        region_name: The client's own region.
        endpoint_url: The client's own endpoint, None for AWS.
    """
    region, endpoint, trusted = region_name, endpoint_url, True
    if storage is not None and storage.endpoint is not None:
        named = endpoint_of(storage.endpoint)
        trusted = named is not None and endpoint_url is not None
        trusted = trusted and named == endpoint_of(endpoint_url or "")
        endpoint = endpoint_url if trusted else storage.endpoint
    if storage is not None and storage.region is not None:
        # An Azure region, say, that an alternate inherits would make a host that does not exist.
        pattern = _AWS_REGION if endpoint is None else _REGION
        region = storage.region if pattern.fullmatch(storage.region) else region_name
    return Place(region, endpoint, trusted)


def endpoint_of(text: str) -> tuple[str, str] | None:
    """Returns the origin and the path of an endpoint, to be compared, or None if it is no URL.

    Args:
        text: The endpoint's URL.
    """
    try:
        url = URL(text)
        if url.scheme not in ("http", "https") or not url.host or url.user or url.password:
            return None
        return str(url.origin()), url.path.rstrip("/")
    except ValueError:
        return None


def extent_of(found: Mapping[str, Any], url: URL) -> Extent:
    """Returns which bytes of the object an answer holds.

    Args:
        found: The answer to get_object.
        url: What was asked for.

    Raises:
        RangeError: The answer is a part of the object that it does not name, or of another length.
    """
    said, length = found.get("ContentRange"), found.get("ContentLength")
    return Extent.whole(length) if said is None else Extent.part(said, length, shown_href(url))


def validator_of(found: Mapping[str, Any]) -> str | None:
    """Returns what a later `If-Match` may name, or None.

    Args:
        found: The answer to get_object.
    """
    etag = found.get("ETag")
    return etag if etag and not etag.startswith("W/") else None
