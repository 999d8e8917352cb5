"""Says which items and collections are local themselves, and so may name files of this machine."""

from __future__ import annotations

import json

import pystac

from stac_asset.errors import HrefError
from stac_asset.hrefs import is_local, local_path

_MOST = 64 * 1024 * 1024
"""Bytes of a document that is looked at."""


class ReadFrom(pystac.Link):
    """The self link of an object that was read here: where it was read from, and no mere claim."""


def is_local_owner(owner: pystac.Item | pystac.Collection) -> bool:
    """Returns whether an object is a local file, and does not only say so.

    An API's answer may say that it is any file. So unless it was read here, a document of its
    kind and id has to stand where it says.

    Args:
        owner: The item or collection.
    """
    href = owner.get_self_href()
    if href is None or not is_local(href):
        return False
    if isinstance(owner.get_single_link(pystac.RelType.SELF), ReadFrom):
        return True
    try:
        path = local_path(href)
        if not path.is_file() or path.stat().st_size > _MOST:
            return False
        document = json.loads(path.read_bytes())
    except (OSError, HrefError, ValueError, RecursionError):
        return False
    kind = "Feature" if isinstance(owner, pystac.Item) else "Collection"
    return (
        isinstance(document, dict)
        and document.get("type") == kind
        and document.get("id") == owner.id
    )
