"""Internal: the files of a mirror in a prefix of an object store. Implements `MirrorStorage`.

`StoreStorage` answers from the listing at the start of the run where possible. All other methods
send requests (`store_requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.store_requests import StoreRequests

_A = TypeVar("_A")
_T = TypeVar("_T")


class StoreStorage(StoreRequests):
    """A mirror in a prefix of an object store. Create this object in the event loop of the run."""

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads for calls of the methods."""
        return self.threads.executor

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        After an error, the running calls are completed, and no further call is started.

        Args:
            call: The function to call.
            inputs: The inputs.
        """
        return self.threads.map(call, inputs)

    def path_of(self, location: str) -> str:
        """Return the path of a file.

        Args:
            location: The URL of the file, as plans name it.
        """
        return location.removeprefix(f"{self.directory}/")

    def item_folders(self) -> Iterator[str]:
        """Yield the folders on the first and second level, which can belong to items."""
        return self._files.item_folders()

    def file_names(self, folder: str) -> list[str]:
        """Return the names of the listed files in a folder.

        Args:
            folder: The path of the folder.
        """
        return list(self._files.names(folder))

    def files(self) -> Iterator[str]:
        """Yield the paths of all listed files, without those of mirrors in folders."""
        return self._files.paths()

    def stamp(self, path: str) -> Stamp | None:
        """Return the ETag and size of a file, as listed or written by this run, if any.

        Args:
            path: The path of the file.
        """
        return self._files.get(path)

    def is_listed(self, path: str) -> bool:
        """Return whether there was a file at the start of the run.

        Args:
            path: The path of the file.
        """
        return self._files.get(path) is not None

    def versions(self, folder: str) -> Mapping[str, str]:
        """Return the ETags of the listed files of a folder, by name.

        Args:
            folder: The path of the folder.
        """
        return {name: str(version) for name, (version, _) in self._files.names(folder).items()}

    def is_written_since(self, path: str, since: float, versions: Mapping[str, str] | None) -> bool:
        """Return whether a file has another version than before, or does not exist.

        Args:
            path: The path of the file.
            since: Not used, because the clocks of the run and of the store differ.
            versions: The earlier versions of the folder by name, if known.
        """
        found = self._files.get(path)
        if found is None or versions is None:
            return found is None
        return found[0] != versions.get(path.rpartition("/")[2])

    def remove_empty_folders(self, folders: Iterable[str]) -> None:
        """Keep the store unchanged. Folders exist only in keys.

        Args:
            folders: The paths of the folders.
        """
