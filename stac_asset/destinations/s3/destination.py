"""A prefix of an S3 bucket as a destination. Implements `Destination` of `destinations.interface`.

The last run that completes a file wins only if the file is still the one that it found: completion
is conditional. Within a process, a key has one upload at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress

from stac_asset.concurrency import cancel_all
from stac_asset.destinations.buckets.buffers import MIB, BufferBudget
from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.buckets.files import StoredFiles
from stac_asset.destinations.buckets.keys import PROBE, Prefix, names_file
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.buckets.open_keys import OpenKeys
from stac_asset.destinations.s3.copying import MAX_COPY
from stac_asset.destinations.s3.keys import writable
from stac_asset.destinations.s3.lease import leased
from stac_asset.destinations.s3.leftovers import list_leftovers, remove_upload
from stac_asset.destinations.s3.listing import Folders
from stac_asset.destinations.s3.objects import CHECKSUM, MARK, StartedUpload
from stac_asset.destinations.s3.parts import DEFAULT_PART, MAX_HELD
from stac_asset.destinations.s3.replacing import Replaced, replace_object
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.s3.unfinished import (
    START_TIMEOUT,
    Unfinished,
    find_unfinished,
    remove_unfinished,
)
from stac_asset.destinations.s3.upload import S3Upload
from stac_asset.destinations.values import (
    ANY_VERSION,
    BusyError,
    Declared,
    Leftover,
    ListedFile,
    StoredDocument,
    VersionError,
)
from stac_asset.errors import DestinationError

_BUDGET = 36 * MIB
"""Memory for parts that are received or sent, in bytes."""


class S3Destination(StoredFiles):
    """A prefix of a bucket.

    Args:
        store: The bucket.
        prefix: The prefix, without `/` at the start and the end. Empty for the whole bucket.
        service: Identifies the service, such as its endpoint URL.
        smallest_part: Minimum size of a part in bytes, at least 5 MiB.
        largest_held: Maximum size in bytes of a part that is held in memory until it is sent.
        largest_copy: Maximum size in bytes of an object that one request copies in the store.
        start_timeout: Seconds to wait for the id of an upload that another run may be starting.
    """

    _store: S3Store

    def __init__(
        self,
        store: S3Store,
        prefix: str = "",
        service: str = "",
        smallest_part: int = DEFAULT_PART,
        largest_held: int = MAX_HELD,
        largest_copy: int = MAX_COPY,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        super().__init__(store, Prefix(store.url_of(""), f"{prefix}/" if prefix else ""), CHECKSUM)
        self._folders = Folders(store)
        self._smallest, self._largest_held = smallest_part, largest_held
        self._largest_copy, self._start_timeout = largest_copy, start_timeout
        self._conditional: asyncio.Task[bool] | None = None
        # The listing of a folder can be older than another upload.
        forget = self._folders.forget
        self._open = OpenKeys(f"{service} {store.bucket}", store.url_of, on_contested=forget)
        self._budget = BufferBudget(max(_BUDGET, 2 * smallest_part), smallest_part)

    async def _find(self, key: str) -> StoredObject | None:
        """Return an existing object without the metadata. Listings save requests."""
        return await self._folders.find(key)

    async def prepare(self, writable: bool = True) -> None:
        """Check that the prefix can be written, and which requests the service supports.

        The result is kept for the run.

        Args:
            writable: Write and delete a probe. Otherwise, only list the prefix.

        Raises:
            DestinationError: The bucket does not exist, or cannot be written, or not be listed.
        """
        try:
            async for _ in self._store.pages(self._prefix.path, limit=1):
                break
        except MissingError:
            raise self._unknown_bucket() from None
        if writable:
            await self._is_conditional()

    async def close(self) -> None:
        """End requests that no caller waits for. The store stays open."""
        tasks = [*self._folders.pending(), *([self._conditional] if self._conditional else [])]
        await cancel_all(tasks)

    async def _is_conditional(self) -> bool:
        """Return whether the service checks the conditions of requests."""
        task = self._conditional
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            key = f"{self._prefix.path}{PROBE}{uuid.uuid4().hex}"
            task = asyncio.create_task(self._supports_conditions(key))
            self._conditional = task
        return await asyncio.shield(task)

    async def _supports_conditions(self, key: str) -> bool:
        try:
            return await self._store.supports_conditions(key)
        except MissingError:
            raise self._unknown_bucket() from None

    def _unknown_bucket(self) -> DestinationError:
        return DestinationError(
            f"{self._prefix.url} cannot be {self._store.action}: the service does not know the "
            "bucket. Create the bucket, correct the URL, or check `destination_endpoint_url`"
        )

    async def check(self, key: str) -> None:
        """Check whether a key can be written, without writing.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The key is too long.
        """
        writable(self._prefix, key)

    def open_upload(
        self, key: str, source: str, declared: Declared, hashed: bool = False, wait: bool = False
    ) -> AbstractAsyncContextManager[S3Upload]:
        """Start or resume the upload of a file.

        Args:
            key: The key.
            source: Identity of the source. Bytes from another source are not resumed.
            declared: The expected size and checksum.
            hashed: Compute a checksum even if none is declared.
            wait: Wait while another upload of the key is open in this process.

        Raises:
            BusyError: Another upload of the key is open in this process, and `wait` is False.
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: A request failed.
        """
        return self._uploading(key, source, declared, hashed, wait)

    @asynccontextmanager
    async def _uploading(
        self, key: str, source: str, declared: Declared, hashed: bool, wait: bool
    ) -> AsyncIterator[S3Upload]:
        full = writable(self._prefix, key)
        conditional = await self._is_conditional()
        lease = nullcontext() if conditional else leased(self._store, full, wait)
        async with self._open.alone(full, wait), lease:
            digest = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()
            found = await self._folders.find(full)
            if found is not None and not conditional:
                # Services of this kind may have other ETags in listings.
                found = await self._store.head(full)
            replaces = found.etag if found is not None else None
            upload = S3Upload(
                self._store,
                full,
                digest,
                declared,
                hashed,
                Replaced(replaces, conditional),
                self._budget,
                self._smallest,
                await self._unfinished(full, digest, declared, replaces),
                self._largest_held,
                self._largest_copy,
            )
            try:
                yield upload
            finally:
                await upload.close()
                if upload.version is None:
                    self._folders.forget(full)
                else:
                    written = StoredObject(full, upload.offset, upload.version)
                    await self._folders.record(full, written)

    async def _unfinished(
        self, full: str, source: str, declared: Declared, replaces: str | None
    ) -> Unfinished | None:
        """Return the unfinished upload of an earlier run."""
        if not await self._folders.has_note(full):
            return None
        return await find_unfinished(
            self._store, full, source, declared, replaces, self._start_timeout
        )

    async def read(self, key: str) -> StoredDocument | None:
        """Return a small file, such as a document.

        Args:
            key: The key.

        Returns:
            The content and the ETag. None if there is no such object.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        found = await super().read(key)
        if found is not None:
            # The document can name objects that another run wrote after the folders were listed.
            # Documents are in the folder of their objects, or in a folder above.
            self._folders.forget_below(self._prefix.full(key))
        return found

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
        full = self._prefix.full(key)
        conditional = await self._is_conditional()
        lease = nullcontext() if conditional else leased(self._store, full, wait=True)
        async with self._open.alone(full, wait=True), lease:
            etag = replaces
            if replaces == ANY_VERSION:
                found = await self._store.head(full)
                etag = found.etag if found is not None else None
            replaced = Replaced(etag, conditional)
            mark, digest = uuid.uuid4().hex, hashlib.sha256(data).digest()

            async def send(condition: Mapping[str, str]) -> str:
                return await self._store.put(
                    full, io.BytesIO(data), condition, {MARK: mark}, digest
                )

            etag = await replace_object(self._store, full, mark, replaced, send)
            await self._folders.record(full, StoredObject(full, len(data), etag))
            return etag

    async def list_files(self, prefix: str = "") -> AsyncIterator[ListedFile]:
        """Yield the objects of the prefix, with those of unfinished uploads.

        Keys that name no file, such as `folder/`, are left out.

        Args:
            prefix: Start of the keys, such as `item-1/`.

        Raises:
            DestinationError: The prefix cannot be listed.
        """
        start = len(self._prefix.path)
        try:
            async for page in self._store.pages(self._prefix.path + prefix):
                for one in page:
                    key = one.key[start:]
                    if names_file(key):
                        yield ListedFile(key, one.size, one.etag, one.changed)
        except MissingError:
            raise self._unknown_bucket() from None

    async def remove(self, key: str, version: str = ANY_VERSION) -> None:
        """Remove an object. A missing object is no error.

        Args:
            key: The key.
            version: The version that `read` returned. By default, any version is removed. Some
                services do not check the version.

        Raises:
            VersionError: The object has another version.
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        full = self._prefix.full(key)
        etag = version if version != ANY_VERSION else None
        if etag is not None and not await self._is_conditional():
            found = await self._store.head(full)
            if found is not None and found.etag != etag:
                raise VersionError.of(self._store.url_of(full))
            etag = None
        try:
            await self._store.delete(full, etag)
        except ConflictError:
            raise VersionError.of(self._store.url_of(full)) from None
        await self._folders.record(full, None)

    async def leftovers(self) -> AsyncIterator[Leftover]:
        """Yield unfinished uploads, and notes, leases and probes of interrupted runs.

        Raises:
            DestinationError: The prefix or the unfinished uploads cannot be listed.
        """
        for leftover in await list_leftovers(self._store, self._prefix):
            yield leftover

    async def remove_leftover(self, leftover: Leftover) -> bool:
        """Abort an unfinished upload and remove the note, unless this process has the key open.

        An upload without a note is aborted too.

        Args:
            leftover: The leftover, as `leftovers` returned it.

        Raises:
            DestinationError: A request failed.
        """
        full, *notes = [self._prefix.full(key) for key in leftover.keys]
        try:
            async with self._open.alone(full, wait=False):
                if leftover.upload is not None:
                    await remove_upload(self._store, StartedUpload(full, leftover.upload), notes)
                else:
                    await self._store.delete(full)
                self._folders.forget(full)
        except BusyError:
            return False
        return True

    async def remove_leftovers(self, key: str, only_outdated: bool = False) -> None:
        """Remove the received bytes of interrupted uploads of a key. The file of the key stays.

        Args:
            key: The key.
            only_outdated: Keep an upload that can still replace the present file, if another run
                may have the upload open.
        """
        full = self._prefix.full(key)
        with suppress(BusyError, DestinationError):  # Leftovers are harmless.
            async with self._open.alone(full, wait=False):
                if await self._folders.has_note(full):
                    await remove_unfinished(self._store, full, only_outdated, self._start_timeout)
                    self._folders.forget(full)
