"""Internal: the paths that the assets and documents of a run use."""

from __future__ import annotations

import os
import unicodedata
from typing import NamedTuple

from stac_asset.plan.facts import FileSystemFacts


class Use(NamedTuple):
    """The asset or document that a path is reserved for."""

    owner: str
    """The item or collection, or the name of the document."""

    key: str | None = None
    """The key of the asset. None for a document."""

    source: int | None = None
    """A digest of the asset's source hrefs, declared size and declared checksum."""

    def __str__(self) -> str:
        return self.owner if self.key is None else f"asset '{self.key}' of {self.owner}"


class Conflict(NamedTuple):
    """A path that another asset or document uses."""

    path: str
    """The absolute path."""

    use: Use
    """The other asset or document."""

    is_folder: bool = False
    """Whether the path is a folder of the other asset or document."""

    def __str__(self) -> str:
        return f"the folder of {self.use}" if self.is_folder else str(self.use)


class Reservations:
    """The reserved paths of a run, and the folders above them.

    Args:
        root: The absolute path of the destination directory.
        facts: The facts about the file system.
    """

    def __init__(self, root: str, facts: FileSystemFacts) -> None:
        self._root = root
        self._root_length = len(folded(root))
        self._facts = facts
        self._files: dict[str, Use] = {}
        """The use of each reserved path, by folded path."""
        self._folders: dict[str, Use] = {}
        """The first use of a path in each folder, by folded path."""
        self._documents: set[str] = set()
        """The folded paths of documents, and of the folders above them."""
        self._real_folders: dict[str, str] = {}
        """Results of `_real_folder`."""
        self._folded_folders: dict[str, str] = {}
        """The folded real path of each folder, with a final separator."""
        self._last_place = "", ""
        """The last path, and its result of `_place`. Each path is checked and then reserved."""

    def conflict(self, path: str, source: int | None = None) -> Conflict | None:
        """Return the conflict that prevents the reservation of a path, if any.

        Args:
            path: The absolute path.
            source: The digest of the asset. Assets with the same source may share a file.
        """
        place = self._place(path)
        use = self._files.get(place)
        if use is not None:
            is_shared = source is not None and use.source == source
            return None if is_shared else Conflict(path, use)
        use = self._folders.get(place)
        if use is not None:
            return Conflict(path, use, is_folder=True)
        folder = place.rpartition(os.sep)[0]
        while len(folder) > self._root_length and folder not in self._folders:
            use = self._files.get(folder)
            if use is not None:
                return Conflict(path, use)
            folder = folder.rpartition(os.sep)[0]
        return None

    def reserve(self, path: str, use: Use) -> None:
        """Reserve a path, and the folders above the path as folders.

        Args:
            path: The absolute path, which has no conflict.
            use: The asset or document.
        """
        place = self._place(path)
        self._files.setdefault(place, use)
        if use.key is None:
            self._documents.add(place)
        folder = place.rpartition(os.sep)[0]
        while len(folder) > self._root_length and folder not in self._folders:
            self._folders[folder] = use
            if use.key is None:
                self._documents.add(folder)
            folder = folder.rpartition(os.sep)[0]

    def is_document(self, path: str) -> bool:
        """Return whether a document has a path, or is in a folder with this path.

        Args:
            path: The absolute path.
        """
        return bool(self._documents) and self._place(path) in self._documents

    def use_of(self, path: str) -> Use | None:
        """Return the asset or document that a path is reserved for, if any.

        Args:
            path: The absolute path.
        """
        return self._files.get(self._place(path))

    def _place(self, path: str) -> str:
        """Return the folded path after symlinks of the folder are resolved."""
        last, place = self._last_place
        if path == last:
            return place
        parent, _, name = path.rpartition(os.sep)
        folder = self._folded_folders.get(parent)
        if folder is None:
            folder = folded(os.path.join(self._real_folder(parent), ""))
            self._folded_folders[parent] = folder
        place = folder + folded(name)
        self._last_place = path, place
        return place

    def _real_folder(self, folder: str) -> str:
        """Return a folder with the symlinks below the directory resolved.

        A symlink inside of the directory can give one folder two names.
        """
        real = self._real_folders.get(folder)
        if real is None:
            if len(folder) <= len(self._root):
                return folder
            parent, name = os.path.split(folder)
            real = os.path.join(self._real_folder(parent), name)
            if self._facts.is_symlink(real):
                real, root = self._facts.real_path(real), self._facts.real_path(self._root)
                if real.startswith(root + os.sep):  # Otherwise the destination refuses the folder.
                    real = self._root + real[len(root) :]
            self._real_folders[folder] = real
        return real


def folded(path: str) -> str:
    """Return a path in which letter case and Unicode composition make no difference.

    Some file systems, such as those of macOS and Windows, treat such names as the same file.
    Source: canonical caseless matching in the Unicode standard, section 3.13 (D145).

    Args:
        path: A path, or a name.
    """
    if path.isascii():
        return path.lower()
    composed = unicodedata.normalize("NFD", path).casefold()
    return unicodedata.normalize("NFD", composed)
