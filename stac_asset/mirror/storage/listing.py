"""Internal: the files of a mirror in an object store, as listed at the start of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from stac_asset.destinations import ListedFile
from stac_asset.mirror.storage.interface import Stamp


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

    def folders(self) -> Iterable[str]:
        """Return the folders with files."""
        return self._folders.keys()

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
