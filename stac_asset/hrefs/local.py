"""Internal: the paths of local hrefs.

Readers of documents, clients and destinations use these functions.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from stac_asset.errors import HrefError
from stac_asset.redact import redact_href


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
