"""Internal: files of other programs at the path of a new document.

A file that is no STAC document is not replaced. Empty files and STAC documents are replaced,
because a rerun writes its documents again. A STAC document without the form of a downloaded
document is replaced with a notice.

A downloaded item or collection has a self link to its own file. A downloaded item collection has
items whose assets are files beside the document, or that are derived from a source.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from stac_asset.concurrency import in_thread
from stac_asset.destinations.interface import Destination
from stac_asset.destinations.location import Location, is_store
from stac_asset.errors import DestinationError, HrefError
from stac_asset.hrefs import absolute_href
from stac_asset.notices import notice

REPLACED = "STAC documents that no earlier download wrote are replaced"
"""Condition of the notice about replaced documents of other programs."""

_HEAD = 64 * 1024
"""Number of bytes that are read first. They contain most documents, or their first item."""

_FEATURES = re.compile(r'"features"\s*:\s*\[\s*')


async def check_replaceable(location: Location | None, destination: Destination) -> None:
    """Check that a new document replaces no file that is no STAC document.

    A STAC document of another program causes a notice.

    Args:
        location: The location of the new document, if a document is written.
        destination: The destination of the document.

    Raises:
        DestinationError: There is a file that is no STAC document.
    """
    if location is None or (isinstance(location, Path) and os.path.islink(location)):
        return  # Only the link is replaced, not the file that it leads to.
    key = destination.key_of(str(location))
    data = await destination.head(key, _HEAD)
    if len(data) == _HEAD and (is_foreign(data) or _example_of(data) is None):
        found = await destination.read(key)
        data = found.data if found is not None else b""
    if is_foreign(data):
        raise foreign_error(location)
    if not await in_thread(is_downloaded, data, location):
        notice(REPLACED, f"'{location}'")


def foreign_error(location: Location) -> DestinationError:
    """Return the error for a file of another program.

    Args:
        location: The location of the file.
    """
    return DestinationError(
        f"'{location}' exists and is no STAC document, so it is not replaced. Move the file, or "
        "choose another directory or name."
    )


def is_foreign(data: bytes) -> bool:
    """Return whether a file is no STAC document.

    Args:
        data: The content of the file, or its first bytes.
    """
    if not data.strip() or b'"stac_version"' in data:
        return False
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return True
    # An item collection without items has no version.
    return document != {} and (
        not isinstance(document, dict)
        or document.get("type") != "FeatureCollection"
        or document.get("features") != []
    )


def is_downloaded(data: bytes, location: Location) -> bool:
    """Return whether a STAC document has the form of a document that an earlier download wrote.

    Args:
        data: The content of the document. Empty documents count as downloaded.
        location: The location of the document.
    """
    example = _example_of(data)
    if example is None:
        return True
    owner, is_member = example
    links = list(_entries(owner.get("links")))
    if not is_member:
        return any(
            one.get("rel") == "self" and _is_file(str(one.get("href")), location.name)
            for one in links
        )
    assets = owner.get("assets")
    hrefs = [one.get("href") for one in _entries(assets.values() if type(assets) is dict else ())]
    return any(one.get("rel") == "derived_from" for one in links) or any(
        _is_beside(href, location) for href in hrefs
    )


def _example_of(data: bytes) -> tuple[dict[str, Any], bool] | None:
    """Return an item or collection of a document, and whether a collection of items has the item.

    Args:
        data: The content of the document, or its first bytes.

    Returns:
        None if the document, or this part of the document, has no complete object.
    """
    text = data.decode(errors="replace")
    with suppress(ValueError, RecursionError):
        features = _FEATURES.search(text) if '"FeatureCollection"' in text else None
        if features is not None:
            found, _ = json.JSONDecoder().raw_decode(text, features.end())
        else:
            found = json.loads(text)
        if found and isinstance(found, dict):
            return found, features is not None
    return None


def _entries(values: object) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list of JSON values."""
    if isinstance(values, Iterable):
        yield from (one for one in values if isinstance(one, dict))


def _is_file(href: str, name: str) -> bool:
    """Return whether an href is the absolute location of a file with a name."""
    return href.rpartition("/")[2] == name and (href.startswith("/") or is_store(href))


def _is_beside(href: object, location: Location) -> bool:
    """Return whether an href leads to a file below the folder of a document."""
    with suppress(HrefError):
        return absolute_href(href, str(location)).startswith(f"{location.parent}/")
    return False
