"""Interface of the files of a mirror: documents, state and assets.

Paths are relative to the mirror, with slashes. Implementations are a local directory (`local`) and
a prefix of an object store (`store`, with `store_requests` and `threads`). The methods block, and
`mirror.run` calls them in threads of `executor`. The docstrings name methods that do not block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Protocol, TypeAlias, TypeVar

from stac_asset.config import Config
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location
from stac_asset.errors import TransferError
from stac_asset.integrity import Multihash

_A = TypeVar("_A")
_T = TypeVar("_T")

Stamp: TypeAlias = tuple[int | str, int]
"""Version and size in bytes of a file.

The version is the modification time in nanoseconds in a directory, and the ETag in a store.
"""


class MirrorStorage(Protocol):
    """The files of a mirror."""

    @property
    def directory(self) -> Location:
        """The absolute location of the mirror."""

    @property
    def destination(self) -> Destination:
        """The destination of the downloads."""

    @property
    def executor(self) -> Executor | None:
        """The threads for calls of the methods, or None for the threads of the event loop."""

    @property
    def concurrency(self) -> int:
        """Maximum number of items that are written at the same time."""

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        Stores run up to `concurrency` calls at a time. Inputs are consumed on demand.

        Args:
            call: The function to call.
            inputs: The inputs.
        """

    def path_of(self, location: str) -> str:
        """Return the path of a file. Does not block.

        Args:
            location: The location of the file, as plans name it.
        """

    def item_folders(self) -> Iterator[str]:
        """Yield the folders on the first and second level, which can belong to items.

        Folders of items without a collection are on the first level.
        """

    def files(self) -> Iterator[str]:
        """Yield the paths of all files, without those of mirrors in the folders of this mirror.

        A store yields the files of its listing.
        """

    def file_names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder. Does not block in stores.

        Args:
            folder: The path of the folder, which need not exist.
        """

    def stamp(self, path: str) -> Stamp | None:
        """Return the version and size of a file, if any. Does not block.

        A store returns the facts of its listing, and of the documents that this run wrote.

        Args:
            path: The path of the file.
        """

    def is_listed(self, path: str) -> bool:
        """Return whether there is a file, or was at the start of the run. Does not block.

        Args:
            path: The path of the file.
        """

    def exists(self, path: str) -> bool:
        """Return whether there is a file now, such as a file that this run downloaded.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """

    def versions(self, folder: str) -> Mapping[str, str] | None:
        """Return the versions of the files of a folder, by name. Does not block.

        A directory returns none, because the times of its files are by the clock of the run.

        Args:
            folder: The path of the folder.
        """

    def is_written_since(self, path: str, since: float, versions: Mapping[str, str] | None) -> bool:
        """Return whether a file was written after a time, or does not exist. Does not block.

        Args:
            path: The path of the file.
            since: The time, in seconds since the epoch, by the clock of the run.
            versions: The versions of the folder at this time, as `versions` returned them.
        """

    def is_newer(self, path: str, other: str) -> bool:
        """Return whether a file was written after another file. A missing file was not.

        Args:
            path: The path of the file.
            other: The path of the other file.

        Raises:
            DestinationError: The request failed.
        """

    def read(self, path: str) -> bytes | None:
        """Return the content of a readable document.

        Args:
            path: The path of the document.

        Raises:
            DestinationError: The request failed.
        """

    def read_all(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield paths and contents of documents in order. Stores read several at a time.

        Args:
            paths: The paths of the documents.

        Raises:
            DestinationError: The request failed.
        """

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file, without line breaks. A missing file has no lines.

        The file is not read as a whole, because an index of 100,000 items has 50 MB.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """

    def write(self, path: str, data: bytes) -> Stamp:
        """Replace a document as a whole, and return the stamp of the new document.

        Args:
            path: The path of the document.
            data: The content.

        Raises:
            VersionError: Another run replaced the document.
            DestinationError: The document cannot be written.
        """

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            DestinationError: The file cannot be written.
        """

    def remove(self, folder: str, names: Iterable[str], interrupted: Iterable[str] = ()) -> None:
        """Remove files of a folder. Missing files are no error.

        Args:
            folder: The path of the folder, or an empty string.
            names: The names of the files.
            interrupted: Names of files whose interrupted downloads are removed.

        Raises:
            DestinationError: A file cannot be removed.
            UnsafePathError: The folder leads outside of the mirror.
        """

    def remove_document(self, path: str) -> None:
        """Remove a document. A missing document is no error.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document.
            DestinationError: The document cannot be removed.
            UnsafePathError: The folder leads outside of the mirror.
        """

    def remove_empty_folders(self, folders: Iterable[str]) -> None:
        """Remove folders without files.

        Args:
            folders: The paths of the folders.
        """

    def stored_error(
        self, path: str, media_type: object, roles: object, config: Config
    ) -> TransferError | None:
        """Return the error for a file that is empty, or a web page in place of the asset.

        Args:
            path: The path of the file.
            media_type: The `type` of the asset. Any JSON value.
            roles: The `roles` of the asset. Any JSON value.
            config: Which content is accepted.

        Raises:
            DestinationError: The request failed.
        """

    def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            OSError: The file cannot be read. `DestinationError` is such an error.
        """
