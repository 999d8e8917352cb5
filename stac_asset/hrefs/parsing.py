"""Internal: parse hrefs of documents and arguments into URLs.

The registry of clients and the readers of documents call `parse_href`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from yarl import URL

from stac_asset.errors import HrefError
from stac_asset.hrefs.forms import (
    KEYS,
    PLAIN_URL,
    SCHEME,
    SCHEME_AND_AUTHORITY,
    is_local,
    is_missing,
    stripped_href,
)
from stac_asset.hrefs.gdal import translated_href
from stac_asset.hrefs.local import local_path
from stac_asset.redact import redact_href

_OPENABLE = frozenset({"http", "https", "s3", "file", "data"})
"""Schemes of the built-in clients."""

_NOT_SENDABLE = re.compile(r"[^!-~]+")
"""Characters that a request line cannot contain."""


def parse_href(href: object) -> URL:
    """Return the URL of an href. The URL of a local path has no scheme.

    Args:
        href: A URL, a `file:` URL or a local path. In local paths and URLs of object
            stores, `#`, `?` and `%` are ordinary characters.

    Raises:
        HrefError: The href is missing, empty or cannot be parsed.
    """
    if isinstance(href, str) and PLAIN_URL.fullmatch(href):
        return URL(href, encoded=True)  # Without a search for characters to encode.
    href = translated_href(checked(href))
    if href[: len("data:")].lower() == "data:":
        return URL.build(scheme="data", path=href[len("data:") :], encoded=True)
    if is_local(href):
        return URL.build(path=str(local_path(href)))
    try:
        if store := KEYS.match(href):
            # Keys are not percent-encoded. Encode the key to keep all of it in the URL's path.
            bucket, slash, key = href[store.end() :].partition("/")
            url = URL(f"{store[0].lower()}{bucket}{slash}{quote(key)}", encoded=True)
        elif "%" in href or "?" in href:
            # The href may be signed, so encode only characters that a request cannot contain.
            head = SCHEME_AND_AUTHORITY.match(href)
            end = head.end() if head else 0
            start = href[:end] if href[:end].isascii() else str(URL(href[:end]))
            url = URL(start + _NOT_SENDABLE.sub(_percent_encode, href[end:]), encoded=True)
        else:
            url = URL(href)
        if (store or url.scheme in ("http", "https")) and not url.host:
            raise ValueError("the host is missing")
    except (ValueError, IndexError) as error:  # yarl raises IndexError for `https://[]@`.
        # A message with `@` may quote a password.
        reason = f": {error}" if "@" not in str(error) else ""
        raise HrefError(f"href '{redact_href(href)}' is not a valid URL{reason}") from None
    return url


def is_openable(href: object) -> bool:
    """Return whether a built-in client can open an href, as far as the form of the href shows.

    Args:
        href: The value in the document.
    """
    if not isinstance(href, str) or is_missing(href):
        return False
    try:
        scheme = SCHEME.match(translated_href(href))
    except HrefError:
        return False
    return scheme is None or scheme.group()[:-1].lower() in _OPENABLE


def valid_href(href: str) -> str:
    """Return an http or https URL with percent-encoded spaces and other invalid characters.

    Args:
        href: Any href. Other hrefs are returned unchanged.
    """
    if not href[:5].lower().startswith(("http:", "https")):
        return href
    head = SCHEME_AND_AUTHORITY.match(href)
    end = head.end() if head else 0
    return href[:end] + _NOT_SENDABLE.sub(_percent_encode, href[end:])


def checked(href: object) -> str:
    """Return an href without surrounding white space.

    Args:
        href: The value in a document or argument.

    Raises:
        HrefError: The href is missing, empty, not a string or not valid Unicode.
    """
    if not isinstance(href, str):
        raise HrefError("href is missing" if href is None else "href is not a string")
    if not href.strip():
        raise HrefError("href is empty")
    try:
        href.encode()
    except UnicodeEncodeError:
        raise HrefError("href is not valid Unicode: it contains a lone surrogate") from None
    return stripped_href(href)


def _percent_encode(match: re.Match[str]) -> str:
    return quote(match.group(), errors="surrogatepass")  # JSON can contain lone surrogates.
