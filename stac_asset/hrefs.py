"""Resolves hrefs against the document that they stand in, and says what is local."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from pystac.utils import make_absolute_href
from yarl import URL

from stac_asset.errors import HrefError
from stac_asset.redact import redact_href

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")
_HEAD = re.compile(r"[^:/?#]+:(//[^/?#]*)?")
"""The scheme and the authority of a URL."""

_UNSENDABLE = re.compile(r"[^!-~]+")


def parse_href(href: object) -> URL:
    """Returns the url of an href; a local path becomes a url without a scheme.

    Args:
        href: A URL, a `file:` URL, or a local path or `s3:` URL, in which `#`, `?` and `%` are
            themselves.

    Raises:
        HrefError: The href is missing, empty or cannot be parsed.
    """
    href = _text(href)
    if is_local(href):
        return URL.build(path=str(local_path(href)))
    try:
        if href[: len("s3://")].lower() == "s3://":
            # A key is any text, not percent-encoded: encoded here, it stays whole as a url's path.
            bucket, slash, key = href[len("s3://") :].partition("/")
            url = URL(f"s3://{bucket}{slash}{quote(key)}", encoded=True)
        elif "%" in href or "?" in href:
            # It may be signed as it stands, so only what no request can hold is encoded.
            head = _HEAD.match(href)
            end = head.end() if head else 0
            start = href[:end] if href[:end].isascii() else str(URL(href[:end]))
            url = URL(start + _UNSENDABLE.sub(_encoded, href[end:]), encoded=True)
        else:
            url = URL(href)
        if url.scheme in ("http", "https", "s3") and not url.host:
            raise ValueError("it has no host")
    except (ValueError, IndexError) as error:  # yarl raises the latter for `https://[]@`.
        # What holds an `@` may quote a password.
        reason = f": {error}" if "@" not in str(error) else ""
        raise HrefError(f"the href '{redact_href(href)}' is not a URL{reason}") from None
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
        HrefError: A `file:` URL names another host, or there is a NUL in the path.
    """
    path = href
    if href.lower().startswith("file:"):
        path = href[len("file:") :]
        if path.startswith("//"):
            host, slash, rest = path[2:].partition("/")
            if host.lower() not in ("", "localhost"):
                raise HrefError(f"the href '{redact_href(href)}' names a file of another host")
            path = slash + rest
        path = unquote(path)
    if "\0" in path:
        raise HrefError("the href holds a NUL, which no path can")
    return Path(path)


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
    href = _text(href)
    if _SCHEME.match(href):
        return href
    if base is None:
        if href.startswith("/"):
            return href
        raise HrefError(f"the href '{redact_href(href)}' is relative, to a document without href")
    if is_local(base):
        return os.path.normpath(os.path.join(local_path(base).absolute().parent, href))
    if href.startswith("//"):
        return f"{base.partition(':')[0]}:{href}"
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


def _text(href: object) -> str:
    if not isinstance(href, str):
        raise HrefError("there is no href" if href is None else "the href is no text")
    if not href.strip():
        raise HrefError("the href is empty")
    try:
        href.encode()
    except UnicodeEncodeError:
        raise HrefError("the href is no text: it holds half of a surrogate pair") from None
    return href


def _encoded(match: re.Match[str]) -> str:
    return quote(match.group())
