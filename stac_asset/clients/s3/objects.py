"""Readers of S3 URLs and storage extension fields.

`S3Client` uses these functions to find the bucket, key, region and endpoint of an asset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from yarl import URL

from stac_asset.errors import HrefError, SchemeError
from stac_asset.redact import redact_href
from stac_asset.types import Storage

_AWS_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
"""Region names that botocore accepts."""


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """Region and endpoint of requests, and whether requests are signed."""

    region: str
    """Region of the first request. S3 may redirect to another region."""

    endpoint: str | None
    """The URL of an S3-compatible service. Not set for AWS."""

    signed: bool
    """Whether requests may carry a signature and the session token."""


def key_of(url: URL) -> str:
    """Return the key of an S3 URL; empty if missing.

    S3 URLs have no queries and fragments. Characters such as `?` and `#` are part of the key.

    Args:
        url: The URL. Its percent-encoding is decoded, because `parse_href` encodes keys.
    """
    return unquote(str(url).partition("://")[2].partition("/")[2])


def object_of(url: URL) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URL.

    Args:
        url: The URL, as returned by `parse_href`.

    Raises:
        SchemeError: The URL is not an S3 URL.
        HrefError: The URL has no bucket or no key.
    """
    if url.scheme != "s3":
        raise SchemeError(f"'{redact_href(url)}' is not an S3 URL")
    key = key_of(url)
    if not url.raw_host or not key:
        raise HrefError(
            f"'{redact_href(url)}' does not name an object. Use the form s3://bucket/key."
        )
    return url.raw_host, key


def shown_href(url: URL) -> str:
    """Return the redacted href of an S3 URL: decoded as in an item, without user info and query.

    Args:
        url: The URL.
    """
    authority, slash, key = str(url).partition("://")[2].partition("/")
    key, query, _ = unquote(key).partition("?")
    return f"{url.scheme}://{authority.rpartition('@')[2]}{slash}{key}{'?…' if query else ''}"


def request_target(
    storage: Storage | None, region_name: str, endpoint_url: str | None
) -> RequestTarget:
    """Return the region and endpoint of an object, and whether requests are signed.

    Credentials are sent to the endpoint of the client's configuration, or to AWS. An endpoint that
    only the item declares receives no credentials, because anyone can write an item.

    Args:
        storage: The asset's storage extension fields, if any.
        region_name: The region of the client's configuration.
        endpoint_url: The endpoint of the client's configuration; None for AWS.
    """
    region, endpoint, trusted = region_name, endpoint_url, True
    if storage is not None and storage.endpoint is not None:
        declared = endpoint_of(storage.endpoint)
        trusted = declared is not None and endpoint_url is not None
        trusted = trusted and declared == endpoint_of(endpoint_url or "")
        endpoint = endpoint_url if trusted else storage.endpoint
    if storage is not None and storage.region is not None:
        # An alternate may inherit, for example, an Azure region, which would lead to a host name
        # that does not exist.
        pattern = _AWS_REGION if endpoint is None else _REGION
        region = storage.region if pattern.fullmatch(storage.region) else region_name
    return RequestTarget(region, endpoint, trusted)


def endpoint_of(text: str) -> tuple[str, str] | None:
    """Return the origin and the path of an endpoint for comparison, if the URL is valid.

    Args:
        text: The URL of the endpoint. A URL with a user or a password is invalid.
    """
    try:
        url = URL(text)
        if url.scheme not in ("http", "https") or not url.host or url.user or url.password:
            return None
        return str(url.origin()), url.path.rstrip("/")
    except ValueError:
        return None


def validator_of(etag: str | None) -> str | None:
    """Return an ETag for a later `If-Match` header, unless the ETag is weak or missing.

    Args:
        etag: The `ETag` header of a response.
    """
    return etag if etag and not etag.startswith("W/") else None
