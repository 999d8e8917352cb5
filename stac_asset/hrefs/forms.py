"""Internal: tell the forms of hrefs apart: URLs, local paths, keys of object stores, missing hrefs.

The other modules of the folder use the patterns.
"""

from __future__ import annotations

import re

SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")
"""The scheme of a URL."""

PLAIN_URL = re.compile(
    r"https?://(?:(?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z0-9-]+(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}))?"
    r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"
)
"""A usual URL, valid and in normal form."""

SCHEME_AND_AUTHORITY = re.compile(r"[^:/?#]+:(//[^/?#]*)?")
"""The scheme and the authority of a URL."""

KEYS = re.compile(r"(s3|gs|az|abfss?)://", re.IGNORECASE)
"""Schemes of object stores. Keys in such URLs are not percent-encoded."""

_PGSTAC_MARKER = "\U0001235f\u203b"
"""Value of a field that pgstac must not fill in from the collection."""


def has_plain_key(href: str) -> bool:
    """Return whether an href is the URL of an object store, with a key that is not encoded.

    Args:
        href: An absolute href.
    """
    return KEYS.match(href) is not None


def is_local(href: str) -> bool:
    """Return whether an href is a local path or a `file:` URL.

    Args:
        href: An absolute or relative href.
    """
    return SCHEME.match(href) is None or href.lower().startswith("file:")


def is_absolute(href: str) -> bool:
    """Return whether an href is absolute: a URL, or a path that starts with `/`.

    Args:
        href: Any href.
    """
    return SCHEME.match(href) is not None or href.startswith("/")


def is_missing(href: object) -> bool:
    """Return whether a document has no href: no value, white space, or a marker of pgstac.

    pgstac stores items without the fields that they share with their collection, and marks the
    fields that it must not fill in.
    Source: https://github.com/stac-utils/pgstac/blob/main/src/pypgstac/src/pypgstac/hydration.py

    Args:
        href: The value in the document.
    """
    return href is None or (isinstance(href, str) and href.strip() in ("", _PGSTAC_MARKER))


def stripped_href(href: str) -> str:
    """Return an href without surrounding white space, as in many documents and forms.

    Args:
        href: Any href. An absolute path is unchanged, because a space can be part of its name.
    """
    return href if href.startswith("/") else href.strip()
