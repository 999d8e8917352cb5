"""Facts about the local file system, for the planner.

Callers pass `LOCAL_FACTS` to `stac_asset.plan.Planner`, which performs no I/O itself.
"""

from __future__ import annotations

import os
from pathlib import Path

import pystac

from stac_asset.errors import HrefError
from stac_asset.hrefs import is_local, local_path
from stac_asset.plan.facts import FileSystemFacts
from stac_asset.stac.json_text import loads

_MAX_DOCUMENT = 64 * 1024 * 1024
"""Maximum size, in bytes, of a document that is read to compare ids."""


class ReadFrom(pystac.Link):
    """The self link of an object that this library read from the link's target."""


class LocalFacts:
    """The facts of the local file system. Implements `stac_asset.plan.FileSystemFacts`."""

    def is_symlink(self, path: str) -> bool:
        """Return whether a path is a symlink.

        Args:
            path: An absolute path.
        """
        return os.path.islink(path)

    def real_path(self, path: str) -> str:
        """Return a path with all symlinks resolved.

        Args:
            path: An absolute path.
        """
        return os.path.realpath(path)

    def is_same_file(self, href: str, path: Path) -> bool:
        """Return whether a local href and a path lead to the same existing file.

        Args:
            href: A path or `file:` URL.
            path: An absolute path.
        """
        try:
            return path.samefile(local_path(href))
        except (OSError, HrefError):  # One of the files does not exist, or cannot exist.
            return False

    def is_local_document(self, owner: pystac.Item | pystac.Collection) -> bool:
        """Return whether an item or collection is a document on this machine.

        A remote document may declare any local file as its self link. So for objects that this
        library did not read, the file must be a document with the same type and id.

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
            if not path.is_file() or path.stat().st_size > _MAX_DOCUMENT:
                return False
            document = loads(path.read_bytes(), str(path))
        except (OSError, HrefError, ValueError):
            return False
        kind = "Feature" if isinstance(owner, pystac.Item) else "Collection"
        return (
            isinstance(document, dict)
            and document.get("type") == kind
            and document.get("id") == owner.id
        )


LOCAL_FACTS: FileSystemFacts = LocalFacts()
"""The facts of the local file system. All planners share this object, which has no state."""
