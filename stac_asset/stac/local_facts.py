"""Facts about the local file system and object stores, for the planner.

Callers pass `LOCAL_FACTS` or `facts_of` to `stac_asset.plan.Planner`, which performs no I/O itself.
"""

from __future__ import annotations

import os

import pystac

from stac_asset.destinations.location import Location, StorePath
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

    def is_same_file(self, href: str, path: str) -> bool:
        """Return whether an href and a path lead to the same existing file.

        Args:
            href: Any href.
            path: An absolute path.
        """
        try:
            return is_local(href) and os.path.samefile(path, local_path(href))
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


class StoreFacts(LocalFacts):
    """The facts of an object store, which has no symlinks. Items can be on this machine."""

    def is_symlink(self, path: str) -> bool:
        """Return False.

        Args:
            path: A URL of the object store.
        """
        return False

    def real_path(self, path: str) -> str:
        """Return the URL unchanged.

        Args:
            path: A URL of the object store.
        """
        return path

    def is_same_file(self, href: str, path: str) -> bool:
        """Return whether an href is the URL of an object.

        Two services can have buckets of the same name, which this comparison takes for the same.

        Args:
            href: Any href.
            path: A URL of the object store.
        """
        return href == path


LOCAL_FACTS: FileSystemFacts = LocalFacts()
"""The facts of the local file system. All planners share this object, which has no state."""

_STORE_FACTS: FileSystemFacts = StoreFacts()


def facts_of(location: Location) -> FileSystemFacts:
    """Return the facts of a destination.

    Args:
        location: The directory or prefix.
    """
    return _STORE_FACTS if isinstance(location, StorePath) else LOCAL_FACTS
