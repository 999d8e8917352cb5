"""Resolves hrefs against the document that they stand in, and says what is local."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from pystac.utils import make_absolute_href
from yarl import URL

from stac_asset.errors import HrefError
from stac_asset.redact import redact_href

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


def parse_href(href: object) -> URL:
    """Returns the url of an href; a local path becomes a url without a scheme.

    Args:
        href: A URL, a `file:` URL, or a local path, in which `#`, `?` and `%` are themselves.

    Raises:
        HrefError: The href is missing, empty or cannot be parsed.
    """
    if not isinstance(href, str) or not href.strip():
        raise HrefError("the href is empty" if isinstance(href, str) else "there is no href")
    if is_local(href):
        return URL.build(path=str(local_path(href)))
    try:
        url = URL(href, encoded="%" in href or "?" in href)
        if url.scheme in ("http", "https", "s3") and not url.host:
            raise ValueError("it has no host")
    except ValueError as error:
        raise HrefError(f"the href '{redact_href(href)}' is not a URL: {error}") from None
    return url


def is_local(href: str) -> bool:
    """Returns whether an href names a file of this machine.

    Args:
        href: An absolute or relative href.
    """
    return _SCHEME.match(href) is None or href.lower().startswith("file:")


def local_path(href: str) -> Path:
    """Returns the path that a local href names.

    Args:
        href: A `file:` URL, whose percent-encoding is decoded, or a path, taken as it is.

    Raises:
        HrefError: A `file:` URL names another host.
    """
    if not href.lower().startswith("file:"):
        return Path(href)
    path = href[len("file:") :]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise HrefError(f"the href '{href}' names a file of another host, '{host}'")
        path = slash + rest
    return Path(unquote(path))


def is_absolute(href: str) -> bool:
    """Returns whether an href needs no document to be resolved against.

    Args:
        href: Any href.
    """
    return _SCHEME.match(href) is not None or href.startswith("/")


def absolute_href(href: object, base: str | None) -> str:
    """Returns an href resolved against the document that it stands in.

    Args:
        href: What stands in the document.
        base: The document's own href, if it has one.

    Raises:
        HrefError: The href is missing or empty, or relative to nothing.
    """
    if not isinstance(href, str) or not href.strip():
        raise HrefError("the href is empty" if isinstance(href, str) else "there is no href")
    if _SCHEME.match(href):
        return href
    if base is None:
        if href.startswith("/"):
            return href
        raise HrefError(f"the href '{redact_href(href)}' is relative, to a document without href")
    if is_local(base):
        return os.path.normpath(os.path.join(local_path(base).absolute().parent, href))
    try:
        return make_absolute_href(href, base, start_is_dir=False)
    except ValueError as error:
        raise HrefError(f"the href '{redact_href(href)}' cannot be resolved: {error}") from None


def relative_href(path: Path, document: Path) -> str:
    """Returns the href of a file, relative to a document.

    Args:
        path: The absolute path of the file.
        document: The absolute path of the document.
    """
    relative = Path(os.path.relpath(path, document.parent)).as_posix()
    return relative if relative.startswith("../") else f"./{relative}"
