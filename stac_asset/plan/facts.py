"""The facts about the file system that a plan depends on.

The planner performs no I/O. Callers pass an object with these functions.
`stac_asset.stac.local_facts` implements them for the local file system.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pystac


class FileSystemFacts(Protocol):
    """Functions that return facts about the file system of this machine."""

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

    def is_same_file(self, href: str, path: Path) -> bool:
        """Return whether a local href and a path lead to the same existing file.

        Args:
            href: A path or `file:` URL.
            path: An absolute path.
        """

    def is_local_document(self, owner: pystac.Item | pystac.Collection) -> bool:
        """Return whether an item or collection is a document on this machine.

        Args:
            owner: The item or collection.
        """
