"""Internal: uploads through obstore. Implements `Upload` of `destinations.interface`.

The bytes are sent in order. A file of a single part is written by one conditional request. Other
files are uploads in parts, which a later run cannot continue.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque

from stac_asset.concurrency import in_thread
from stac_asset.destinations.buckets.buffers import MIB, BufferBudget
from stac_asset.destinations.buckets.errors import ConflictError
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.missing_ranges import ByteRange
from stac_asset.destinations.object_store.sending import PartsSender
from stac_asset.destinations.object_store.store import CHECKSUM, MARK, ObjectStore
from stac_asset.destinations.upload_state import StatefulUpload, UploadState, check_checksum
from stac_asset.destinations.values import Declared, VersionError
from stac_asset.errors import ChecksumError, DestinationError
from stac_asset.integrity import Multihash, new_hash

PARTS_IN_MEMORY = 5
"""Number of parts of a file in memory: received, handed over, copied by obstore, and sent."""

_MAX_PARTS = 10_000
"""Maximum number of parts of Google Cloud Storage. Azure allows more."""

_HEAD_SIZE = 4096
"""Number of bytes that `head` can return."""


def part_size(size: int | None, smallest: int) -> int:
    """Return the size of the parts of a file, in bytes.

    Args:
        size: Size of the file in bytes, if known.
        smallest: Minimum size of a part in bytes.
    """
    if size is None:
        return smallest
    needed = -(-size // _MAX_PARTS)
    return max(smallest, -(-needed // MIB) * MIB)


class ObjectStoreUpload(StatefulUpload):
    """The upload of a file to a key.

    Args:
        store: The bucket.
        key: The key in the bucket.
        declared: The expected size and checksum.
        hashed: Compute a checksum even if none is declared.
        current: The present object of the key, if any.
        budget: The memory of all uploads.
        smallest: Minimum size of a part in bytes.
    """

    accepts_ranges = False

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        declared: Declared,
        hashed: bool,
        current: StoredObject | None,
        budget: BufferBudget,
        smallest: int,
    ) -> None:
        self._store, self._key, self._declared = store, key, declared
        self._hashed = hashed or declared.checksum is not None
        self._current, self._budget, self._smallest = current, budget, smallest
        self._reserved = 0
        self._reset()

    def _reset(self) -> None:
        """Set the state of an upload without received bytes."""
        self._state = UploadState(self._declared.size)
        self._head, self._buffer = bytearray(), bytearray()
        self._full: deque[bytearray] = deque()
        self._sender: PartsSender | None = None
        self._part = self._smallest
        self._mark = uuid.uuid4().hex
        self._code, self._hash = new_hash(self._declared.checksum)

    @property
    def replaces(self) -> bool:
        """Whether the key had an object when the upload was opened."""
        return self._current is not None

    async def begin(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Accept a response, or reject a response that does not continue the received bytes.

        Waits until there is memory for the parts of the file.

        Args:
            offset: Position of the first byte of the response. 0 discards the received bytes.
            validator: The identifier of this version at the source, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after the last byte of the response, if it is only a part of the file.

        Raises:
            RangeError: The response does not continue the received bytes.
            SizeError: The size differs from the declared one.
        """
        await super().begin(offset, validator, size, end)
        if not offset:
            known = size if size is not None else self._declared.size
            self._part = part_size(known, self._smallest)
            is_single = known is not None and known <= self._part
            await self._reserve(known if is_single else PARTS_IN_MEMORY * self._part)

    async def _reserve(self, size: int | None) -> None:
        self._release()
        await self._budget.acquire(size or 0, lambda: False)
        self._reserved = size or 0

    def _release(self) -> None:
        if self._reserved:
            self._budget.release(self._reserved)
        self._reserved = 0

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes after the received ones. They are copied.

        Raises:
            DestinationError: The bytes cannot be written.
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """
        self._state.check_room(len(data))
        if len(self._head) < _HEAD_SIZE:
            self._head += data[: _HEAD_SIZE - len(self._head)]
        view = memoryview(data)
        while view:
            await self._send_full()
            # The bytes count as received as soon as they are in the buffer.
            taken = view[: self._part - len(self._buffer)]
            self._buffer += taken
            self._state.offset += len(taken)
            view = view[len(taken) :]
            if len(self._buffer) == self._part and not self._is_single():
                self._full.append(self._buffer)
                self._buffer = bytearray()
        await self._send_full()

    def _is_single(self) -> bool:
        """Return whether the buffer is the whole file."""
        known = self._state.size if self._state.size is not None else self._declared.size
        return self._sender is None and not self._full and known == len(self._buffer)

    async def _send_full(self) -> None:
        """Hand the complete parts over. A cancellation loses no part."""
        while self._full:
            if self._sender is None:
                self._sender = self._new_sender()
            await self._sender.ready()
            self._sender.hand_over(self._full.popleft())

    def _new_sender(self) -> PartsSender:
        metadata = {MARK: self._mark}
        if self._declared.checksum is not None:
            metadata[CHECKSUM] = str(self._declared.checksum)
        update = self._hash.update if self._hashed else None
        return PartsSender(self._store, self._key, self._part, metadata, update, self._verify)

    async def split(self) -> None:
        """Raise an error, because parts are sent in order."""
        raise AssertionError("`accepts_ranges` is False")

    async def put(self, target: ByteRange, data: bytes | memoryview) -> None:
        """Raise an error, because parts are sent in order.

        Args:
            target: A range.
            data: The bytes.
        """
        raise AssertionError("`accepts_ranges` is False")

    async def head(self, size: int) -> bytes:
        """Return the first received bytes.

        Args:
            size: Maximum number of bytes.
        """
        return bytes(self._head[:size])

    async def restart(self) -> None:
        """Discard the received bytes."""
        await self.discard()
        self._reset()

    async def commit(self) -> str | None:
        """Verify the file, and replace the previous file of the key.

        Returns:
            The multihash of the file, if it was computed.

        Raises:
            TruncatedError: Bytes are missing.
            SizeError: The size differs from the declared one.
            ChecksumError: The checksum differs from the declared one.
            VersionError: Another run wrote the object meanwhile.
            DestinationError: The file cannot be completed.
        """
        self._state.check_complete()
        if self._sender is None:
            await self._commit_single()
        else:
            await self._commit_parts(self._sender)
        self._release()
        return str(self._multihash()) if self._hashed else None

    async def _commit_single(self) -> None:
        metadata = {MARK: self._mark}
        if self._hashed:
            self._code, self._hash = new_hash(self._declared.checksum)
            await in_thread(self._hash.update, self._buffer)
            check_checksum(self._declared.checksum, self._multihash())
            metadata[CHECKSUM] = str(self._multihash())
        try:
            written = await self._store.put(self._key, self._buffer, self._current, **metadata)
            self.version = written.etag
        except ConflictError:
            # The service can repeat a request whose response was lost.
            if not await self._is_complete():
                raise VersionError.of(self._store.url_of(self._key)) from None
        self._buffer = bytearray()

    async def _commit_parts(self, sender: PartsSender) -> None:
        if self._buffer:
            self._full.append(self._buffer)
            self._buffer = bytearray()
        await self._send_full()
        try:
            await sender.complete()
        except (ChecksumError, VersionError):
            raise
        except DestinationError:
            if not await self._is_complete():
                raise

    async def _verify(self) -> None:
        """Verify the file before an upload in parts is completed.

        obstore has no conditional completion, so another run can still write between this request
        and the completion.
        """
        if self._hashed:
            check_checksum(self._declared.checksum, self._multihash())
        found = await self._store.head(self._key)
        before = self._current.version if self._current is not None else None
        if (found.version if found is not None else None) != before:
            raise VersionError.of(self._store.url_of(self._key))

    async def _is_complete(self) -> bool:
        """Return whether this upload made the object."""
        found = await self._store.head(self._key)
        return found is not None and found.metadata.get(MARK) == self._mark

    def _multihash(self) -> Multihash:
        return Multihash(self._code, self._hash.digest())

    async def discard(self) -> None:
        """Discard the received bytes and end the upload. The previous file stays."""
        sender, self._sender = self._sender, None
        try:
            if sender is not None:
                await asyncio.shield(sender.abort())
        finally:
            self._full.clear()
            self._buffer = bytearray()
            self._release()
