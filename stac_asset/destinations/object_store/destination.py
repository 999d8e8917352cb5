"""A prefix of Google Cloud Storage or Azure. Implements `Destination` of `destinations.interface`.

Within a process, a key has one upload at a time. Between processes, a file of a single part
replaces only the version that was found. Larger files check the version before the upload is
completed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from stac_asset.destinations.buckets.buffers import MIB, BufferBudget
from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.buckets.files import StoredFiles
from stac_asset.destinations.buckets.keys import PROBE, names_file
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.buckets.open_keys import OpenKeys
from stac_asset.destinations.object_store.errors import bucket_error
from stac_asset.destinations.object_store.keys import ObjectStorePrefix
from stac_asset.destinations.object_store.store import CHECKSUM, MARK, ObjectStore
from stac_asset.destinations.object_store.upload import PARTS_IN_MEMORY, ObjectStoreUpload
from stac_asset.destinations.values import ANY_VERSION, Declared, Leftover, ListedFile, VersionError

SMALLEST_PART = 5 * MIB
"""Minimum size of a part in bytes, as in Google Cloud Storage.

Source: https://cloud.google.com/storage/quotas#requests
"""

_BUDGET = 80 * MIB
"""Memory for the parts of all uploads, in bytes."""


class ObjectStoreDestination(StoredFiles):
    """A prefix of a bucket or container.

    Args:
        store: The bucket.
        prefix: The prefix, without `/` at the start and the end. Empty for the whole bucket.
        service: Identifies the service, such as its endpoint URL.
        smallest_part: Minimum size of a part in bytes, at least 5 MiB.
    """

    _store: ObjectStore

    def __init__(
        self,
        store: ObjectStore,
        prefix: str = "",
        service: str = "",
        smallest_part: int = SMALLEST_PART,
    ) -> None:
        folder = f"{prefix}/" if prefix else ""
        super().__init__(store, ObjectStorePrefix(store.url_of(""), folder), CHECKSUM)
        self._smallest = smallest_part
        self._open = OpenKeys(f"{service} {store.url}", store.url_of)
        self._budget = BufferBudget(max(_BUDGET, PARTS_IN_MEMORY * smallest_part), 0)

    async def prepare(self, writable: bool = True) -> None:
        """Check that the prefix can be listed and written.

        Args:
            writable: Write and delete a probe. Otherwise, only list the prefix.

        Raises:
            DestinationError: The bucket does not exist, or cannot be written, or not be listed.
        """
        try:
            async for _ in self._store.pages(self._prefix.path, size=1):
                break
        except MissingError:
            raise bucket_error(self._prefix.url, self._store.action) from None
        if writable:
            probe = f"{self._prefix.path}{PROBE}{uuid.uuid4().hex}"
            await self._store.put(probe, b"", None)
            await self._store.delete(probe)

    async def close(self) -> None:
        """Return immediately, because no request outlives the caller."""

    def open_upload(
        self, key: str, source: str, declared: Declared, hashed: bool = False, wait: bool = False
    ) -> AbstractAsyncContextManager[ObjectStoreUpload]:
        """Start the upload of a file.

        Args:
            key: The key.
            source: Identity of the source.
            declared: The expected size and checksum.
            hashed: Compute a checksum even if none is declared.
            wait: Wait while another upload of the key is open in this process.

        Raises:
            BusyError: Another upload of the key is open in this process, and `wait` is False.
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: A request failed.
        """
        return self._uploading(key, declared, hashed, wait)

    @asynccontextmanager
    async def _uploading(
        self, key: str, declared: Declared, hashed: bool, wait: bool
    ) -> AsyncIterator[ObjectStoreUpload]:
        full = self._prefix.full(key)
        async with self._open.alone(full, wait):
            current = await self._store.head(full)
            upload = ObjectStoreUpload(
                self._store, full, declared, hashed, current, self._budget, self._smallest
            )
            try:
                yield upload
            finally:
                await upload.discard()

    async def write(self, key: str, data: bytes, replaces: str | None = ANY_VERSION) -> str:
        """Replace a small file, such as a document, as a whole.

        Args:
            key: The key.
            data: The content.
            replaces: The version that `read` returned, or None if there was no file. By default,
                any version is replaced.

        Returns:
            The ETag of the new object.

        Raises:
            VersionError: The object has another version.
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The file cannot be written.
        """
        full, mark = self._prefix.full(key), uuid.uuid4().hex
        async with self._open.alone(full, wait=True):
            current = await self._store.head(full)
            etag = current.etag if current is not None else None
            if replaces not in (ANY_VERSION, etag):
                raise VersionError.of(self._store.url_of(full))
            try:
                return (await self._store.put(full, data, current, **{MARK: mark})).etag
            except ConflictError:
                # The service can repeat a request whose response was lost.
                found = await self._store.head(full)
                if found is None or found.metadata.get(MARK) != mark:
                    raise VersionError.of(self._store.url_of(full)) from None
                return found.etag

    async def list_files(self, prefix: str = "") -> AsyncIterator[ListedFile]:
        """Yield the objects of the prefix. Parts of unfinished uploads are not listed.

        Args:
            prefix: Start of the keys, such as `item-1/`.

        Raises:
            DestinationError: The prefix cannot be listed.
        """
        start = self._prefix.path + prefix
        try:
            async for page in self._pages(start):
                for one in page:
                    key = one.key[len(self._prefix.path) :]
                    if one.key.startswith(start) and names_file(key):
                        yield ListedFile(key, one.size, one.etag, one.changed)
        except MissingError:
            raise bucket_error(self._prefix.url, self._store.action) from None

    async def _pages(self, start: str) -> AsyncIterator[list[StoredObject]]:
        """Yield the objects with keys that start with a text, and other objects of the same folder.

        obstore lists whole folders only. So a text within a name lists the folder without the
        objects below other subfolders.
        """
        folder = start[: start.rfind("/") + 1]
        folders = [folder]
        if folder != start:
            objects, subfolders = await self._store.folder(folder)
            yield objects
            folders = [one for one in subfolders if one.startswith(start)]
        for one in folders:
            async for page in self._store.pages(one):
                yield page

    async def remove(self, key: str, version: str = ANY_VERSION) -> None:
        """Remove an object. A missing object is no error.

        obstore has no conditional removal, so another run can still write between the check of the
        version and the removal.

        Args:
            key: The key.
            version: The version that `read` returned. By default, any version is removed.

        Raises:
            VersionError: The object has another version.
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        full = self._prefix.full(key)
        if version != ANY_VERSION:
            found = await self._store.head(full)
            if found is not None and found.etag != version:
                raise VersionError.of(self._store.url_of(full))
        await self._store.delete(full)

    async def leftovers(self) -> AsyncIterator[Leftover]:
        """Yield the probes of interrupted runs. obstore cannot list unfinished uploads.

        Raises:
            DestinationError: The prefix cannot be listed.
        """
        async for file in self.list_files():
            if file.key.rpartition("/")[2].startswith(PROBE):
                age = max(0.0, time.time() - file.changed)
                yield Leftover(self._prefix.url + file.key, age, file.size, (file.key,))

    async def remove_leftover(self, leftover: Leftover) -> bool:
        """Remove a probe.

        Args:
            leftover: The leftover, as `leftovers` returned it.

        Raises:
            DestinationError: The request failed.
        """
        await self.remove(leftover.keys[0])
        return True

    async def remove_leftovers(self, key: str, only_outdated: bool = False) -> None:
        """Return after checking the key. obstore cannot list unfinished uploads.

        Args:
            key: The key.
            only_outdated: Without effect.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
        """
        self._prefix.full(key)
