"""Internal: resolve the hrefs of a document to absolute hrefs.

The planner and the readers of documents and API pages use these functions.
"""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import urljoin

from pystac.utils import make_absolute_href
from yarl import URL

from stac_asset.errors import HrefError
from stac_asset.hrefs.forms import KEYS, PLAIN_URL, SCHEME, is_local
from stac_asset.hrefs.gdal import translated_href
from stac_asset.hrefs.local import local_path
from stac_asset.hrefs.parsing import checked, parse_href
from stac_asset.hrefs.relative import decoded_segment
from stac_asset.redact import redact_href

_SPECIAL_FOLDER = re.compile(r"[?#].*/")
"""A folder of an object, with the start of a query or fragment in the name."""


def absolute_href(href: object, base: str | None) -> str:
    """Return the absolute form of an href of a document.

    Args:
        href: The value in the document. A value that is not a string raises an error.
        base: The href of the document, if known.

    Raises:
        HrefError: The href is missing, empty or not a string, or is relative without a `base`.
    """
    if isinstance(href, str) and PLAIN_URL.fullmatch(href):
        return href
    href = translated_href(checked(href))
    if SCHEME.match(href):
        return href
    if base is None:
        if href.startswith("/"):
            return href
        raise HrefError(
            f"cannot resolve relative href '{redact_href(href)}': the document has no self href. "
            "Give the path or URL of the document instead of a pipe or its text, or set the self "
            "href."
        )
    if is_local(base):
        folder = local_path(base).absolute().parent
        path = os.path.normpath(os.path.join(folder, href))
        if "%" in href:
            decoded = os.path.join(folder, "/".join(map(decoded_segment, href.split("/"))))
            # Documents of earlier versions, and of other tools, contain unquoted paths.
            if os.path.lexists(decoded) or not os.path.lexists(path):
                path = os.path.normpath(decoded)
        return path
    if href.startswith("//"):
        return f"{base.partition(':')[0]}:{href}"
    if href[1:2] == ":":
        href = f"./{href}"  # A single letter before the colon is not a scheme.
    if ("%" in href or _SPECIAL_FOLDER.search(base)) and (store := KEYS.match(base)):
        return _object_href(href, store[0].lower(), base[store.end() :])
    try:
        if base[:5].lower() in ("http:", "https"):
            return urljoin(base, href)  # Also resolves a query alone, such as `?token=next`.
        return make_absolute_href(href, base, start_is_dir=False)
    except ValueError as error:
        raise HrefError(f"cannot resolve href '{redact_href(href)}': {error}") from None


def _object_href(href: str, scheme: str, base: str) -> str:
    """Return the URL of an object from an href relative to an object of the same bucket.

    Relative hrefs are percent-encoded, but the keys in the URLs of object stores are not.
    """
    bucket, _, key = base.partition("/")
    path = "/".join(map(decoded_segment, href.split("/")))
    key = posixpath.normpath(posixpath.join("/", posixpath.dirname(key), path))
    return f"{scheme}{bucket}{key}"


def with_scheme_of(href: str, base: URL) -> str:
    """Return an href with `https` instead of `http`, if the same host serves the base by `https`.

    APIs behind a proxy often write links with the scheme that the proxy uses to call them.

    Args:
        href: An absolute href.
        base: URL of the document that has the href.
    """
    url = parse_href(href)
    is_downgrade = base.scheme == "https" and url.scheme == "http" and url.is_default_port()
    if is_downgrade and base.host == url.host and base.is_default_port():
        return f"https{href[len('http') :]}"
    return href
