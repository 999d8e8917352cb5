"""Internal: the requests of a mirror to an object store.

The methods that block run in threads, and their requests in the event loop of the run (`threads`).
A document is replaced only if it still has the version of the listing at the start of the run, and
only while the run holds the lease of the mirror.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import IO, TypeVar

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
from stac_asset.mirror.storage.threads import StorageThreads, blocking
from stac_asset.transfer.stored import found_error

_T = TypeVar("_T")

_WAITS = (0.5, 2.0)
"""Seconds before the second and the third attempt of a read request.

The store client repeats requests, but no response whose body is interrupted.
"""

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum size, in bytes, of a copied file that is kept in memory."""


class StoreRequests:
    """The requests of a mirror in a prefix. Create this object in the event loop of the run.

    Args:
        directory: The prefix of the mirror.
        destination: The prefix as a destination.
        files: The files at the start of the run. Writes and removals are recorded.
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
        self.threads = StorageThreads(concurrency)
        self._files = files
        self._lease = lease
        self._kept = KeptDocuments()

    def close(self) -> None:
        """End the threads, and remove the temporary file. No method may be running."""
        self.threads.close()
        self._kept.close()

    @blocking
    async def exists(self, path: str) -> bool:
        """Return whether there is an object now, such as a file that this run downloaded.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        return await self._changed(path) is not None

    @blocking
    async def is_newer(self, path: str, other: str) -> bool:
        """Return whether a file was written after another file, and not within the same second.

        Args:
            path: The path of the file.
            other: The path of the other file.

        Raises:
            DestinationError: The request failed.
        """
        written, others = await self._changed(path), await self._changed(other)
        return written is not None and others is not None and written > others

    async def _changed(self, path: str) -> float | None:
        """Return the time of the last change of an existing object."""
        found = await self._listed(path)
        return found.changed if found is not None else None

    @blocking
    async def read(self, path: str) -> bytes | None:
        """Return the content of an existing document.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document since the start of this run.
            DestinationError: The request failed.
        """
        return await self._read(path)

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
            return self.threads.start(self._read(path))
        done = Future[bytes | None]()
        done.set_result(kept)
        return done

    async def _read(self, path: str) -> bytes | None:
        return await _repeated(partial(self._read_once, path))

    async def _read_once(self, path: str) -> bytes | None:
        found, known = await self.destination.read(path), self._files.get(path)
        if found is None:
            return None
        if known is None or known[0] != found.version:
            raise VersionError.of(str(self.directory / path))
        self._kept.keep(path, found.version, found.data)
        return found.data

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file, without line breaks. A missing file has no lines.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        if self._files.get(path) is None:
            return
        with self._copied(path) as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    @blocking
    async def _copied(self, path: str) -> IO[bytes]:
        """Return a temporary file with the content of an object. The caller closes the file."""
        return await _repeated(partial(self._copied_once, path))

    async def _copied_once(self, path: str) -> IO[bytes]:
        file: IO[bytes] = tempfile.SpooledTemporaryFile(_MAX_MEMORY)  # noqa: SIM115 # returned
        try:
            async for block in self.destination.blocks(path):
                await in_thread(file.write, block)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    @blocking
    async def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file, which is read as a whole.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            DestinationError: The file cannot be read.
        """
        _, running = new_hash(expected)
        async for block in self.destination.blocks(path):
            await in_thread(running.update, block)
        return running.digest()

    @blocking
    async def write(self, path: str, data: bytes) -> Stamp:
        """Replace a document as a whole, and return the stamp of the new document.

        Args:
            path: The path of the document.
            data: The content.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be written.
        """
        await self._check_lease()
        known = self._files.get(path)
        replaces = str(known[0]) if known is not None else None
        stamp = await self.destination.write(path, data, replaces), len(data)
        self._files.record(path, stamp)
        self._kept.keep(path, stamp[0], data)
        return stamp

    @blocking
    async def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole, such as the index. The bytes are sent in parts.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            VersionError: Another run took the lease, or wrote the file at the same time.
            DestinationError: The file cannot be written.
        """
        await self._check_lease()
        rest = iter(blocks)
        source = f"a run of a mirror {uuid.uuid4().hex}"  # No later run continues the upload.
        async with self.destination.open_upload(path, source, Declared(), wait=True) as upload:
            await upload.begin(0, None, None)
            while (block := await in_thread(next, rest, None)) is not None:
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

    @blocking
    async def remove(
        self, folder: str, names: Iterable[str], interrupted: Iterable[str] = ()
    ) -> None:
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
        if paths or parts:
            await self._check_lease()
        for path in parts:
            await self.destination.remove_leftovers(path)
        for path in paths:
            await self.destination.remove(path)
            self._files.record(path, None)

    @blocking
    async def remove_document(self, path: str) -> None:
        """Remove a document. A missing document is no error.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be removed.
        """
        known = self._files.get(path)
        if known is None:
            return
        await self._check_version(path)
        await self._check_lease()
        await self.destination.remove(path, str(known[0]))
        self._files.record(path, None)

    @blocking
    async def stored_error(
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
        return await found_error(
            self.destination,
            path,
            str(self.directory / path),
            found[1],
            media_type=media_type,
            roles=roles,
            config=config,
        )

    async def _check_version(self, path: str) -> None:
        """Check that another run has not written or removed a file since the start of this run."""
        found, known = await self._listed(path), self._files.get(path)
        if (found.version if found else None) != (known[0] if known else None):
            raise VersionError.of(str(self.directory / path))

    async def _listed(self, path: str) -> ListedFile | None:
        """Return the present object of a path, if any."""
        files = [file async for file in self.destination.list_files(path) if file.key == path]
        return files[0] if files else None

    async def _check_lease(self) -> None:
        assert self._lease is not None, "a run without a lease writes nothing"
        await self._lease.check()


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
