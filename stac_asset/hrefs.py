"""Internal: parse and resolve hrefs, and tell local paths from URLs.

All parts of the library that read hrefs from documents or arguments use these functions.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urljoin

from pystac.utils import make_absolute_href
from yarl import URL

from stac_asset.errors import HrefError
from stac_asset.redact import redact_href, unsigned_href

Origin: TypeAlias = tuple[str, str | None, int | None]
"""Scheme, host and port."""

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")
_PLAIN_URL = re.compile(
    r"https?://(?:(?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z0-9-]+(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}))?"
    r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"
)
"""A usual URL, which is valid and in its normal form."""

_SCHEME_AND_AUTHORITY = re.compile(r"[^:/?#]+:(//[^/?#]*)?")
"""The scheme and the authority of a URL."""

_KEYS = re.compile(r"(s3|gs|az|abfss?)://", re.IGNORECASE)
"""Schemes of object stores, whose URLs contain keys without percent-encoding."""

_OPENABLE = frozenset({"http", "https", "s3", "file", "data"})
"""Schemes of the built-in clients."""

_GDAL_PATH = re.compile(
    r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs|zip|tar|gzip|7z|rar|sparse|subfile|mem|crypt"
    r"|cached|stdin)(_streaming)?(/|\?|$)"
)
"""The start of a path of GDAL's virtual file systems."""

_GDAL_SCHEMES = {"s3": "s3", "gs": "gs", "az": "az", "adls": "abfs", "oss": "oss"}
"""URL schemes of object stores in GDAL's paths."""

_NOT_IN_PATH = re.compile(r"[\0-\x20\s\x7f\"#%;<>?\[\\\]^`{|}\udc80-\udcff]")
"""Characters that the path of an href cannot contain, and bytes of names that are not UTF-8.

Some readers take a semicolon for the start of parameters, or remove white space at the end.
"""

_NOT_NORMAL = re.compile(r"(^|/)\.{0,2}(/|$)")
"""Parts of a path that are empty, `.` or `..`."""

_NOT_SENDABLE = re.compile(r"[^!-~]+")
"""Characters that a request line cannot contain."""

_PGSTAC_MARKER = "\U0001235f\u203b"
"""Value of a field that pgstac must not fill in from the collection."""


def parse_href(href: object) -> URL:
    """Return the URL of an href. The URL of a local path has no scheme.

    Args:
        href: A URL, a `file:` URL or a local path. In local paths and URLs of object
            stores, `#`, `?` and `%` are ordinary characters.

    Raises:
        HrefError: The href is missing, empty or cannot be parsed.
    """
    if isinstance(href, str) and _PLAIN_URL.fullmatch(href):
        return URL(href, encoded=True)  # Without a search for characters to encode.
    href = translated_href(_checked(href))
    if href[: len("data:")].lower() == "data:":
        return URL.build(scheme="data", path=href[len("data:") :], encoded=True)
    if is_local(href):
        return URL.build(path=str(local_path(href)))
    try:
        if store := _KEYS.match(href):
            # Keys are not percent-encoded. Encode the key to keep all of it in the URL's path.
            bucket, slash, key = href[store.end() :].partition("/")
            url = URL(f"{store[0].lower()}{bucket}{slash}{quote(key)}", encoded=True)
        elif "%" in href or "?" in href:
            # The href may be signed, so encode only characters that a request cannot contain.
            head = _SCHEME_AND_AUTHORITY.match(href)
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


def has_plain_key(href: str) -> bool:
    """Return whether an href is the URL of an object store, whose key is not percent-encoded.

    Args:
        href: An absolute href.
    """
    return _KEYS.match(href) is not None


def stripped_href(href: str) -> str:
    """Return an href without surrounding white space, as in many documents and forms.

    Args:
        href: Any href. An absolute path is unchanged, because a space can be part of its name.
    """
    return href if href.startswith("/") else href.strip()


def is_local(href: str) -> bool:
    """Return whether an href is a local path or a `file:` URL.

    Args:
        href: An absolute or relative href.
    """
    return _SCHEME.match(href) is None or href.lower().startswith("file:")


def local_path(href: str) -> Path:
    """Return the path of a local href.

    Args:
        href: A path, or a `file:` URL. Only the URL is percent-decoded.

    Raises:
        HrefError: A `file:` URL names another host, or the path contains a NUL character.
    """
    path = href
    if href.lower().startswith("file:"):
        path = href[len("file:") :]
        if path.startswith("//"):
            host, slash, rest = path[2:].partition("/")
            if host.lower() not in ("", "localhost"):
                raise HrefError(f"href '{redact_href(href)}' refers to a file on another host")
            path = slash + rest
        path = unquote(path)
    if "\0" in path:
        raise HrefError(
            f"href {redact_href(href)!r} contains a NUL character, which paths cannot contain"
        )
    return Path(path)


def expand_home(source: str) -> str:
    """Return a source that a user wrote, with the home directory in place of `~`.

    Args:
        source: A URL or a local path. Hrefs in documents must not be expanded.
    """
    if not source.startswith("~"):
        return source
    return os.path.expanduser(source)


def translated_href(href: str) -> str:
    """Return the URL of a path of GDAL's virtual file systems, such as `/vsicurl/https://…`.

    Other hrefs are returned unchanged.
    Source: https://gdal.org/en/stable/user/virtual_file_systems.html

    Args:
        href: Any href.

    Raises:
        HrefError: The path names a file inside an archive, or is a path without a URL.
    """
    match = _GDAL_PATH.match(href) if href.startswith("/vsi") else None
    if match is None:
        return href
    system, rest = match[1], href[match.end() :]
    if system == "curl" and match[3] == "?":
        url = dict(parse_qsl(rest)).get("url", "")
    elif system == "curl":
        url = rest
    elif match[3] == "?":
        url = ""
    else:
        scheme = _GDAL_SCHEMES.get(system)
        url = f"{scheme}://{rest}" if scheme is not None and rest else ""
    if not _SCHEME.match(url):
        raise HrefError(
            f"href '{redact_href(href)}' is a path of GDAL that has no URL of its own. Use the URL "
            "of the whole file or archive."
        )
    return url


def is_openable(href: object) -> bool:
    """Return whether a built-in client can open an href, as far as its form shows.

    Args:
        href: The value in the document.
    """
    if not isinstance(href, str) or is_missing(href):
        return False
    try:
        scheme = _SCHEME.match(translated_href(href))
    except HrefError:
        return False
    return scheme is None or scheme.group()[:-1].lower() in _OPENABLE


def is_absolute(href: str) -> bool:
    """Return whether an href is absolute: a URL, or a path that starts with `/`.

    Args:
        href: Any href.
    """
    return _SCHEME.match(href) is not None or href.startswith("/")


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


def origin_of(url: URL) -> Origin:
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


def absolute_href(href: object, base: str | None) -> str:
    """Return the absolute form of an href of a document.

    Args:
        href: The value in the document. A value that is not a string raises an error.
        base: The href of the document, if known.

    Raises:
        HrefError: The href is missing, empty or not a string, or is relative without a `base`.
    """
    if isinstance(href, str) and _PLAIN_URL.fullmatch(href):
        return href
    href = translated_href(_checked(href))
    if _SCHEME.match(href):
        return href
    if base is None:
        if href.startswith("/"):
            return href
        raise HrefError(
            f"cannot resolve relative href '{redact_href(href)}': its document has no self href. "
            "Set the self href, or use an absolute href."
        )
    if is_local(base):
        folder = local_path(base).absolute().parent
        path = os.path.normpath(os.path.join(folder, href))
        if "%" in href:
            decoded = os.path.join(folder, "/".join(map(_decoded, href.split("/"))))
            # Documents of earlier versions, and of other tools, contain unquoted paths.
            if os.path.lexists(decoded) or not os.path.lexists(path):
                path = os.path.normpath(decoded)
        return path
    if href.startswith("//"):
        return f"{base.partition(':')[0]}:{href}"
    if href[1:2] == ":":
        href = f"./{href}"  # A single letter before the colon is not a scheme.
    if "%" in href and (store := _KEYS.match(base)):
        return _object_href(href, store[0].lower(), base[store.end() :])
    try:
        if base[:5].lower() in ("http:", "https"):
            return urljoin(base, href)  # Also resolves a query alone, such as `?token=next`.
        return make_absolute_href(href, base, start_is_dir=False)
    except ValueError as error:
        raise HrefError(f"cannot resolve href '{redact_href(href)}': {error}") from None


def _object_href(href: str, scheme: str, base: str) -> str:
    """Return the URL of an object whose href is relative to an object of the same bucket.

    Relative hrefs are percent-encoded, but the keys in the URLs of object stores are not.
    """
    bucket, _, key = base.partition("/")
    path = "/".join(map(_decoded, href.split("/")))
    key = posixpath.normpath(posixpath.join("/", posixpath.dirname(key), path))
    return f"{scheme}{bucket}{key}"


def relative_href(path: str | os.PathLike[str], document: str | os.PathLike[str]) -> str:
    """Return the href of a file, relative to a document.

    Args:
        path: The absolute path of the file, or its URL in an object store.
        document: The absolute path of the document, or its URL in the same bucket.
    """
    file, folder = os.fspath(path), os.fspath(document).rpartition("/")[0] + "/"
    below = file.removeprefix(folder)
    if len(below) < len(file) and not _NOT_NORMAL.search(below):
        return f"./{quoted_path(below)}"
    if store := _KEYS.match(file):
        start = store.end() - 1
        file, folder = file[start:], folder[start:]
    relative = quoted_path(Path(os.path.relpath(file, folder)).as_posix())
    return relative if relative.startswith("../") else f"./{relative}"


def quoted_path(path: str) -> str:
    """Return a relative path as an href, in which special characters are percent-encoded.

    Other letters than those of ASCII are kept, as the JSON schemas of STAC allow ("iri-reference").
    Many readers do not decode the hrefs of local documents.
    Source: https://www.rfc-editor.org/rfc/rfc3987#section-2.2

    Args:
        path: The path, with slashes. A first segment with a colon needs the prefix `./`.
    """
    return _NOT_IN_PATH.sub(lambda match: quote(match[0], errors="surrogateescape"), path)


def unquoted_name(name: str) -> str:
    """Return the name of a file for its href in a document.

    Earlier versions wrote names without percent-encoding. A name that `quoted_path` does not return
    is therefore unchanged.

    Args:
        name: The last segment of a relative href.
    """
    decoded = _decoded(name)
    return decoded if quoted_path(decoded) == name else name


def _decoded(segment: str) -> str:
    """Return a percent-decoded segment of a path, or the segment if the result is no file name."""
    decoded = unquote(segment, errors="surrogateescape")
    is_name = decoded not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f]", decoded)
    return decoded if is_name else segment


def valid_href(href: str) -> str:
    """Return an http or https URL with percent-encoded spaces and other invalid characters.

    Args:
        href: Any href. Other hrefs are returned unchanged.
    """
    if not href[:5].lower().startswith(("http:", "https")):
        return href
    head = _SCHEME_AND_AUTHORITY.match(href)
    end = head.end() if head else 0
    return href[:end] + _NOT_SENDABLE.sub(_percent_encode, href[end:])


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


def is_missing(href: object) -> bool:
    """Return whether a document has no href: no value, white space, or a marker of pgstac.

    pgstac stores items without the fields that they share with their collection, and marks the
    fields that it must not fill in.
    Source: https://github.com/stac-utils/pgstac/blob/main/src/pypgstac/src/pypgstac/hydration.py

    Args:
        href: The value in the document.
    """
    return href is None or (isinstance(href, str) and href.strip() in ("", _PGSTAC_MARKER))


def _checked(href: object) -> str:
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
