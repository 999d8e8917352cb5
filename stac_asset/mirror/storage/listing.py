"""Internal: the files of a mirror in an object store, as listed at the start of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from stac_asset.destinations import ListedFile
from stac_asset.mirror.storage.interface import Stamp

_INNER_STATE = "/.mirror"
"""Part of the path of the state of a mirror in a folder of this mirror."""


class Listing:
    """Stamps of files by folder and name, with the writes and removals of this run."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, Stamp]] = {}

    @classmethod
    async def read(cls, files: AsyncIterator[ListedFile]) -> Listing:
        """Return the listing of files.

        Args:
            files: The files.

        Raises:
            DestinationError: The files cannot be listed.
        """
        listing = cls()
        async for file in files:
            listing.record(file.key, (file.version, file.size))
        return listing

    def get(self, path: str) -> Stamp | None:
        """Return the stamp of a file, if any.

        Args:
            path: The path of the file.
        """
        folder, _, name = path.rpartition("/")
        names = self._folders.get(folder)
        return names.get(name) if names is not None else None

    def names(self, folder: str) -> Mapping[str, Stamp]:
        """Return the stamps of the files of a folder, by name.

        Args:
            folder: The path of the folder.
        """
        return self._folders.get(folder, {})

    def item_folders(self) -> Iterator[str]:
        """Yield the folders on the first and second level, which can belong to items."""
        first_folders = set()
        for path in self._folders:
            first, *others = path.split("/")
            if not first or first.startswith("."):
                continue
            if first not in first_folders:
                first_folders.add(first)
                yield first
            if len(others) == 1 and not others[0].startswith("."):
                yield path

    def paths(self) -> Iterator[str]:
        """Yield the paths of all files, without those of mirrors in the folders of this mirror."""
        folders = list(self._folders)
        inner = tuple(
            f"{folder.partition(_INNER_STATE)[0]}/" for folder in folders if _INNER_STATE in folder
        )
        for folder in folders:
            base = f"{folder}/" if folder else ""
            if not base.startswith(inner):
                yield from (base + name for name in self._folders[folder])

    def record(self, path: str, stamp: Stamp | None) -> None:
        """Record a file that was written or removed.

        Args:
            path: The path of the file.
            stamp: The stamp, or None for a removed file.
        """
        folder, _, name = path.rpartition("/")
        if stamp is not None:
            self._folders.setdefault(folder, {})[name] = stamp
        else:
            self._folders.get(folder, {}).pop(name, None)
