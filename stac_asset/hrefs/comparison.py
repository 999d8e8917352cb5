"""Internal: compare the origins and resources of URLs.

Redirects, pages of APIs and the sources of files are compared with these functions.
"""

from __future__ import annotations

from typing import TypeAlias

from yarl import URL

from stac_asset.redact import unsigned_href

UrlOrigin: TypeAlias = tuple[str, str | None, int | None]
"""Scheme, host and port."""


def origin_of(url: URL) -> UrlOrigin:
    """Return scheme, host and port of a URL, which are equal with and without the default port.

    Args:
        url: An absolute URL.
    """
    return url.scheme, url.host, url.port


def is_same_resource(before: URL, after: URL) -> bool:
    """Return whether two URLs differ at most by a trailing slash and by `http` to `https`.

    Args:
        before: The URL of a request.
        after: The URL that the request is redirected to.
    """
    is_upgrade = before.scheme == "http" and after.scheme == "https"
    is_upgrade = is_upgrade and before.is_default_port() and after.is_default_port()
    return (
        before.host == after.host
        and (origin_of(before) == origin_of(after) or is_upgrade)
        and before.raw_path.rstrip("/") == after.raw_path.rstrip("/")
        and after.raw_query_string in ("", before.raw_query_string)
    )


def source_identity(href: str) -> str:
    """Return the part of an href that stays the same when the href is signed again.

    Args:
        href: An absolute href.
    """
    if "?" not in href and "@" not in href and "#" not in href:
        return href
    if href.lower().startswith(("http://", "https://")):
        return unsigned_href(href.partition("#")[0])
    return href  # In S3 keys and local paths, these characters are ordinary.
