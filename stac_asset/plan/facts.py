"""The facts about the destination that a plan depends on.

The planner performs no I/O. Callers pass an object with these functions.
`stac_asset.stac.local_facts` implements them for the local file system and for object stores.
"""

from __future__ import annotations

from typing import Protocol

import pystac


class FileSystemFacts(Protocol):
    """Functions that return facts about the file system of this machine, or an object store."""

    def is_symlink(self, path: str) -> bool:
        """Return whether a path is a symlink.

        Args:
            path: An absolute path.
        """

    def real_path(self, path: str) -> str:
        """Return a path with all symlinks resolved.

        Args:
            path: An absolute path.
        """

    def is_same_file(self, href: str, path: str) -> bool:
        """Return whether an href and a file of the destination lead to the same existing file.

        Args:
            href: Any href.
            path: The file of the destination: an absolute path, or a URL of the object store.
        """

    def is_local_document(self, owner: pystac.Item | pystac.Collection) -> bool:
        """Return whether an item or collection is a document on this machine.

        Args:
            owner: The item or collection.
        """
