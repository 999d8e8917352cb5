"""Internal: the files of a mirror in a prefix of an object store. Implements `MirrorStorage`.

`StoreStorage` answers from the listing at the start of the run where possible. The methods that
block run in threads (`threads`), and their requests in the event loop of the run
(`store_requests`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from stac_asset.config import Config
from stac_asset.destinations import Destination
from stac_asset.destinations.location import StorePath
from stac_asset.errors import TransferError
from stac_asset.integrity import Multihash
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.lease import Lease
from stac_asset.mirror.storage.listing import Listing
from stac_asset.mirror.storage.store_requests import StoreRequests
from stac_asset.mirror.storage.threads import StorageThreads
from stac_asset.transfer.stored import found_error

_A = TypeVar("_A")
_T = TypeVar("_T")


class StoreStorage:
    """A mirror in a prefix of an object store. Create this object in the event loop of the run.

    Args:
        directory: The prefix.
        destination: The prefix as a destination.
        files: The files at the start of the run.
        lease: The lease of the run. None for a run that writes nothing.
        concurrency: Maximum number of documents that are read or written at the same time.
    """

    def __init__(
        self,
        directory: StorePath,
        destination: Destination,
        files: Listing,
        lease: Lease | None,
        concurrency: int,
    ) -> None:
        self.directory = directory
        self.destination = destination
        self.concurrency = concurrency
        self._files = files
        self._threads = StorageThreads(concurrency)
        self._requests = StoreRequests(directory, destination, files, lease)

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads for calls of the methods."""
        return self._threads.executor

    def close(self) -> None:
        """End the threads, and remove the temporary file. No method may be running."""
        self._threads.close()
        self._requests.close()

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        After an error, the running calls are completed, and no further call is started.

        Args:
            call: The function to call.
            inputs: The inputs.
        """
        return self._threads.map(call, inputs)

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

    def exists(self, path: str) -> bool:
        """Return whether there is an object now, such as a file that this run downloaded.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        return self._changed(path) is not None

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

    def is_newer(self, path: str, other: str) -> bool:
        """Return whether a file was written after another file, and not within the same second.

        Args:
            path: The path of the file.
            other: The path of the other file.

        Raises:
            DestinationError: The request failed.
        """
        written, others = self._changed(path), self._changed(other)
        return written is not None and others is not None and written > others

    def _changed(self, path: str) -> float | None:
        """Return the time of the last change of an existing object."""
        return self._threads.result(self._requests.changed(path))

    def read(self, path: str) -> bytes | None:
        """Return the content of an existing document.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document since the start of this run.
            DestinationError: The request failed.
        """
        return self._threads.result(self._requests.read(path))

    def read_all(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield paths and contents of documents in order. Several are read at the same time.

        Documents that this run has read or written are not requested again.

        Args:
            paths: The paths of the documents.

        Raises:
            VersionError: Another run replaced a document since the start of this run.
            DestinationError: A request failed.
        """
        reading: deque[tuple[str, Future[bytes | None]]] = deque()
        try:
            for path in paths:
                reading.append((path, self._start_reading(path)))
                if len(reading) == self.concurrency:
                    first, data = reading.popleft()
                    yield first, data.result()
            while reading:
                first, data = reading.popleft()
                yield first, data.result()
        finally:
            for _, data in reading:
                data.cancel()

    def _start_reading(self, path: str) -> Future[bytes | None]:
        kept = self._requests.kept(path)
        if kept is None:
            return self._threads.start(self._requests.read(path))
        done = Future[bytes | None]()
        done.set_result(kept)
        return done

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file, without line breaks. A missing file has no lines.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        if not self.is_listed(path):
            return
        with self._threads.result(self._requests.copied(path)) as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    def write(self, path: str, data: bytes) -> Stamp:
        """Replace a document as a whole, and return the stamp of the new document.

        Args:
            path: The path of the document.
            data: The content.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be written.
        """
        return self._threads.result(self._requests.write(path, data))

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole, such as the index. The bytes are sent in parts.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            VersionError: Another run took the lease, or wrote the file at the same time.
            DestinationError: The file cannot be written.
        """
        self._threads.result(self._requests.upload(path, iter(blocks)))

    def remove(self, folder: str, names: Iterable[str], interrupted: Iterable[str] = ()) -> None:
        """Remove files of a folder, and unfinished uploads. Missing files are no error.

        Args:
            folder: The path of the folder, or an empty string.
            names: The names of the files.
            interrupted: Names of files whose unfinished uploads are removed.

        Raises:
            VersionError: Another run took the lease.
            DestinationError: A file cannot be removed.
        """
        base = f"{folder}/" if folder else ""
        paths, parts = [base + name for name in names], [base + name for name in interrupted]
        self._threads.result(self._requests.remove(paths, parts))

    def remove_document(self, path: str) -> None:
        """Remove a document. A missing document is no error.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be removed.
        """
        if self.is_listed(path):
            self._threads.result(self._requests.remove_document(path))

    def remove_empty_folders(self, folders: Iterable[str]) -> None:
        """Keep the store unchanged. Folders exist only in keys.

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
        found = self._files.get(path)
        if found is None:
            return None
        examined = found_error(
            self.destination,
            path,
            str(self.directory / path),
            found[1],
            media_type=media_type,
            roles=roles,
            config=config,
        )
        return self._threads.result(examined)

    def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file, which is read as a whole.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            DestinationError: The file cannot be read.
        """
        return self._threads.result(self._requests.digest(path, expected))
