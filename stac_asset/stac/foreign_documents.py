"""Internal: files at the path of a new document that are no STAC documents.

Another program wrote such a file, so the file is not replaced. Empty files and STAC documents are
replaced, because a rerun writes its documents again.
"""

from __future__ import annotations

import json
from pathlib import Path

from stac_asset.destinations.interface import Destination
from stac_asset.destinations.location import Location
from stac_asset.errors import DestinationError

_HEAD = 64 * 1024
"""Number of bytes that are read first. In most documents, they contain `stac_version`."""


async def check_replaceable(location: Location | None, destination: Destination) -> None:
    """Check that a new document replaces no file of another program.

    Args:
        location: The location of the new document, if a document is written.
        destination: The destination of the document.

    Raises:
        DestinationError: There is a file that is no STAC document.
    """
    if location is None or (isinstance(location, Path) and location.is_symlink()):
        return  # Only the link is replaced, not the file that it leads to.
    key = destination.key_of(str(location))
    data = await destination.head(key, _HEAD)
    if is_foreign(data) and len(data) == _HEAD:
        found = await destination.read(key)
        data = found.data if found is not None else b""
    if is_foreign(data):
        raise foreign_error(location)


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
