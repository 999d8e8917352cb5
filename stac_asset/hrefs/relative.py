"""Internal: hrefs of files relative to a document, with percent-encoded names.

`rewrite` and the writers of mirrors use these functions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from stac_asset.hrefs.forms import KEYS

_NOT_IN_PATH = re.compile(r"[\0-\x20\s\x7f\"#%;<>?\[\\\]^`{|}\udc80-\udcff]")
"""Characters that the path of an href cannot contain, and bytes of names that are not UTF-8.

Some readers take a semicolon for the start of parameters, or remove white space at the end.
"""

_NOT_NORMAL = re.compile(r"(^|/)\.{0,2}(/|$)")
"""Parts of a path that are empty, `.` or `..`."""


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
    if store := KEYS.match(file):
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
    """Return the name of a file for an href in a document.

    Earlier versions wrote names without percent-encoding. A name that `quoted_path` does not return
    is therefore unchanged.

    Args:
        name: The last segment of a relative href.
    """
    decoded = decoded_segment(name)
    return decoded if quoted_path(decoded) == name else name


def decoded_segment(segment: str) -> str:
    """Return a percent-decoded segment of a path, or the segment if the result is no file name.

    Args:
        segment: A segment of a relative href.
    """
    decoded = unquote(segment, errors="surrogateescape")
    is_name = decoded not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f]", decoded)
    return decoded if is_name else segment
