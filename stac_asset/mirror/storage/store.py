"""Internal: the files of a mirror in a prefix of an object store. Implements `MirrorStorage`.

The methods that block run in threads, and the requests run in the event loop of the run. Each
document is replaced only if it still has the version of the listing at the start of the run.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import IO, Any, TypeVar

from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.destinations import Declared, Destination, ListedFile, VersionError
from stac_asset.destinations.location import StorePath
from stac_asset.errors import DestinationError, TransferError
from stac_asset.integrity import Multihash, new_hash
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.kept_documents import KeptDocuments
from stac_asset.mirror.storage.lease import Lease
from stac_asset.mirror.storage.listing import Listing
from stac_asset.transfer.stored import found_error

_A = TypeVar("_A")
_T = TypeVar("_T")

_WAITS = (0.5, 2.0)
"""Seconds before the second and the third attempt of a read request.

The store client repeats requests, but no response whose body is interrupted.
"""

_INNER_STATE = "/.mirror"
"""Part of the path of the state of a mirror in a folder of this mirror."""

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum size, in bytes, of a file of lines that is kept in memory."""


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
        # A thread of this storage waits for a request in the event loop. Some requests need a
        # thread of the event loop themselves, so the storage must not occupy those threads. One
        # more thread consumes the results of `map`.
        self.executor = ThreadPoolExecutor(concurrency + 1, "stac-asset-mirror")
        self._files = files
        self._kept = KeptDocuments()
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def close(self) -> None:
        """End the threads, and remove the temporary file. No method may be running."""
        self.executor.shutdown(wait=False)
        self._kept.close()

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        After an error, the running calls are completed, and no further call is started.

        Args:
            call: The function to call.
            inputs: The inputs.
        """
        running: deque[Future[_T]] = deque()
        try:
            for value in inputs:
                running.append(self.executor.submit(copy_context().run, call, value))
                if len(running) == self.concurrency:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            wait([future for future in running if not future.cancel()])

    def path_of(self, location: str) -> str:
        """Return the path of a file.

        Args:
            location: The URL of the file, as plans name it.
        """
        return location.removeprefix(f"{self.directory}/")

    def item_folders(self) -> Iterator[str]:
        """Yield the folders on the first and second level, which can belong to items."""
        first_folders = set()
        for path in self._files.folders():
            first, *others = path.split("/")
            if not first or first.startswith("."):
                continue
            if first not in first_folders:
                first_folders.add(first)
                yield first
            if len(others) == 1 and not others[0].startswith("."):
                yield path

    def file_names(self, folder: str) -> list[str]:
        """Return the names of the listed files in a folder.

        Args:
            folder: The path of the folder.
        """
        return list(self._files.names(folder))

    def files(self) -> Iterator[str]:
        """Yield the paths of all listed files, without those of mirrors in folders."""
        folders = list(self._files.folders())
        inner = tuple(
            f"{folder.partition(_INNER_STATE)[0]}/" for folder in folders if _INNER_STATE in folder
        )
        for folder in folders:
            base = f"{folder}/" if folder else ""
            if not base.startswith(inner):
                yield from (base + name for name in self._files.names(folder))

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
        return self._result(self._changed(path)) is not None

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
        written, others = self._result(self._changed(path)), self._result(self._changed(other))
        return written is not None and others is not None and written > others

    async def _changed(self, path: str) -> float | None:
        """Return the time of the last change of an existing object."""
        found = await self._listed(path)
        return found.changed if found is not None else None

    async def _check_version(self, path: str) -> None:
        """Check that another run has not written or removed a file since the start of this run."""
        found, known = await self._listed(path), self._files.get(path)
        if (found.version if found else None) != (known[0] if known else None):
            raise VersionError.of(str(self.directory / path))

    async def _listed(self, path: str) -> ListedFile | None:
        """Return the present object of a path, if any."""
        files = [file async for file in self.destination.list_files(path) if file.key == path]
        return files[0] if files else None

    def read(self, path: str) -> bytes | None:
        """Return the content of an existing document.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document since the start of this run.
            DestinationError: The request failed.
        """
        return self._result(_repeated(partial(self._read, path)))

    async def _read(self, path: str) -> bytes | None:
        found, known = await self.destination.read(path), self._files.get(path)
        if found is None:
            return None
        if known is None or known[0] != found.version:
            raise VersionError.of(str(self.directory / path))
        self._kept.keep(path, found.version, found.data)
        return found.data

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
        known = self._files.get(path)
        kept = self._kept.get(path, known[0]) if known is not None else None
        if kept is None:
            return self._start(_repeated(partial(self._read, path)))
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
        with self._result(_repeated(partial(self._copied, path))) as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    async def _copied(self, path: str) -> IO[bytes]:
        """Return a temporary file with the content of an object."""
        file: IO[bytes] = tempfile.SpooledTemporaryFile(_MAX_MEMORY)  # noqa: SIM115 # returned
        try:
            async for block in self.destination.blocks(path):
                await in_thread(file.write, block)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def write(self, path: str, data: bytes) -> Stamp:
        """Replace a document as a whole, and return the stamp of the new document.

        Args:
            path: The path of the document.
            data: The content.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be written.
        """
        return self._result(self._write(path, data))

    async def _write(self, path: str, data: bytes) -> Stamp:
        await self._check_lease()
        known = self._files.get(path)
        replaces = str(known[0]) if known is not None else None
        stamp = await self.destination.write(path, data, replaces), len(data)
        self._files.record(path, stamp)
        self._kept.keep(path, stamp[0], data)
        return stamp

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole, such as the index. The bytes are sent in parts.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            VersionError: Another run took the lease, or wrote the file at the same time.
            DestinationError: The file cannot be written.
        """
        self._result(self._upload(path, iter(blocks)))

    async def _upload(self, path: str, blocks: Iterator[bytes]) -> None:
        await self._check_lease()
        source = f"a run of a mirror {uuid.uuid4().hex}"  # No later run continues the upload.
        async with self.destination.open_upload(path, source, Declared(), wait=True) as upload:
            await upload.begin(0, None, None)
            while (block := await in_thread(next, blocks, None)) is not None:
                await upload.write(block)
            # The commit replaces only the object that the open upload found. Another run can have
            # written that object, so the version is checked after the upload was opened.
            await self._check_version(path)
            await upload.commit()
            stamp: Stamp | None = None
            if upload.version is not None:
                stamp = upload.version, upload.offset
        if stamp is None:
            found = await self._listed(path)
            stamp = (found.version, found.size) if found is not None else None
        self._files.record(path, stamp)

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
        parts = [base + name for name in interrupted]
        self._result(self._remove([base + name for name in names], parts))

    async def _remove(self, paths: list[str], interrupted: list[str]) -> None:
        if paths or interrupted:
            await self._check_lease()
        for path in interrupted:
            await self.destination.remove_leftovers(path)
        for path in paths:
            await self.destination.remove(path)
            self._files.record(path, None)

    def remove_document(self, path: str) -> None:
        """Remove a document. A missing document is no error.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be removed.
        """
        if self.is_listed(path):
            self._result(self._remove_document(path))

    async def _remove_document(self, path: str) -> None:
        await self._check_version(path)
        await self._check_lease()
        known = self._files.get(path)
        await self.destination.remove(path, *([str(known[0])] if known is not None else []))
        self._files.record(path, None)

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
        return self._result(examined)

    def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file, which is read as a whole.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            DestinationError: The file cannot be read.
        """
        return self._result(self._digest(path, expected))

    async def _digest(self, path: str, expected: Multihash) -> bytes:
        _, running = new_hash(expected)
        async for block in self.destination.blocks(path):
            await in_thread(running.update, block)
        return running.digest()

    async def _check_lease(self) -> None:
        assert self._lease is not None, "a run without a lease writes nothing"
        await self._lease.check()

    def _result(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of a request, from another thread than that of the event loop."""
        return self._start(request).result()

    def _start(self, request: Coroutine[Any, Any, _T]) -> Future[_T]:
        assert threading.get_ident() != self._loop_thread, "the event loop would wait for itself"
        return asyncio.run_coroutine_threadsafe(request, self._loop)


async def _repeated(read: Callable[[], Awaitable[_T]]) -> _T:
    """Return the result of a read request. A response that is interrupted is requested again."""
    for seconds in _WAITS:
        try:
            return await read()
        except VersionError:
            raise
        except DestinationError:
            await asyncio.sleep(seconds)
    return await read()
