"""Internal: the requests of a mirror to an object store, in the event loop of the run.

A document is replaced only if it still has the version of the listing at the start of the run, and
only while the run holds the lease of the mirror.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import IO, TypeVar

from stac_asset.concurrency import in_thread
from stac_asset.destinations import Declared, Destination, ListedFile, VersionError
from stac_asset.destinations.location import StorePath
from stac_asset.errors import DestinationError
from stac_asset.integrity import Multihash, new_hash
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.kept_documents import KeptDocuments
from stac_asset.mirror.storage.lease import Lease
from stac_asset.mirror.storage.listing import Listing

_T = TypeVar("_T")

_WAITS = (0.5, 2.0)
"""Seconds before the second and the third attempt of a read request.

The store client repeats requests, but no response whose body is interrupted.
"""

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum size, in bytes, of a copied file that is kept in memory."""


class StoreRequests:
    """Requests for the files of a mirror.

    Args:
        directory: The prefix of the mirror.
        destination: The prefix as a destination.
        files: The files at the start of the run. Writes and removals are recorded.
        lease: The lease of the run. None for a run that writes nothing.
    """

    def __init__(
        self, directory: StorePath, destination: Destination, files: Listing, lease: Lease | None
    ) -> None:
        self._directory = directory
        self._destination = destination
        self._files = files
        self._lease = lease
        self._kept = KeptDocuments()

    def close(self) -> None:
        """Remove the temporary file with the documents of this run. No request may be running."""
        self._kept.close()

    def kept(self, path: str) -> bytes | None:
        """Return the content of a listed document that this run has read or written, if any.

        Args:
            path: The path of the document.
        """
        known = self._files.get(path)
        return self._kept.get(path, known[0]) if known is not None else None

    async def changed(self, path: str) -> float | None:
        """Return the time of the last change of an existing object, in seconds since the epoch.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        found = await self._listed(path)
        return found.changed if found is not None else None

    async def read(self, path: str) -> bytes | None:
        """Return the content of an existing document.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document since the start of this run.
            DestinationError: The request failed.
        """
        return await _repeated(partial(self._read, path))

    async def _read(self, path: str) -> bytes | None:
        found, known = await self._destination.read(path), self._files.get(path)
        if found is None:
            return None
        if known is None or known[0] != found.version:
            raise VersionError.of(str(self._directory / path))
        self._kept.keep(path, found.version, found.data)
        return found.data

    async def copied(self, path: str) -> IO[bytes]:
        """Return a temporary file with the content of an object. The caller closes the file.

        Args:
            path: The path of the file.

        Raises:
            DestinationError: The request failed.
        """
        return await _repeated(partial(self._copied, path))

    async def _copied(self, path: str) -> IO[bytes]:
        file: IO[bytes] = tempfile.SpooledTemporaryFile(_MAX_MEMORY)  # noqa: SIM115 # returned
        try:
            async for block in self._destination.blocks(path):
                await in_thread(file.write, block)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    async def digest(self, path: str, expected: Multihash) -> bytes:
        """Return the digest of a file, which is read as a whole.

        Args:
            path: The path of the file.
            expected: A multihash whose algorithm is used.

        Raises:
            DestinationError: The file cannot be read.
        """
        _, running = new_hash(expected)
        async for block in self._destination.blocks(path):
            await in_thread(running.update, block)
        return running.digest()

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
        stamp = await self._destination.write(path, data, replaces), len(data)
        self._files.record(path, stamp)
        self._kept.keep(path, stamp[0], data)
        return stamp

    async def upload(self, path: str, blocks: Iterator[bytes]) -> None:
        """Replace a file as a whole. The bytes are sent in parts.

        Args:
            path: The path of the file.
            blocks: The content.

        Raises:
            VersionError: Another run took the lease, or wrote the file at the same time.
            DestinationError: The file cannot be written.
        """
        await self._check_lease()
        source = f"a run of a mirror {uuid.uuid4().hex}"  # No later run continues the upload.
        async with self._destination.open_upload(path, source, Declared(), wait=True) as upload:
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

    async def remove(self, paths: list[str], interrupted: list[str]) -> None:
        """Remove files and unfinished uploads. Missing files are no error.

        Args:
            paths: The paths of the files.
            interrupted: The paths of files whose unfinished uploads are removed.

        Raises:
            VersionError: Another run took the lease.
            DestinationError: A file cannot be removed.
        """
        if paths or interrupted:
            await self._check_lease()
        for path in interrupted:
            await self._destination.remove_leftovers(path)
        for path in paths:
            await self._destination.remove(path)
            self._files.record(path, None)

    async def remove_document(self, path: str) -> None:
        """Remove a document of the listing.

        Args:
            path: The path of the document.

        Raises:
            VersionError: Another run replaced the document, or took the lease.
            DestinationError: The document cannot be removed.
        """
        await self._check_version(path)
        await self._check_lease()
        known = self._files.get(path)
        await self._destination.remove(path, *([str(known[0])] if known is not None else []))
        self._files.record(path, None)

    async def _check_version(self, path: str) -> None:
        """Check that another run has not written or removed a file since the start of this run."""
        found, known = await self._listed(path), self._files.get(path)
        if (found.version if found else None) != (known[0] if known else None):
            raise VersionError.of(str(self._directory / path))

    async def _listed(self, path: str) -> ListedFile | None:
        """Return the present object of a path, if any."""
        files = [file async for file in self._destination.list_files(path) if file.key == path]
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
