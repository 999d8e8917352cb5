"""Internal: uploads to an S3 bucket. Implements `Upload` of `destinations.interface`.

Bytes are collected in parts. A file of a single part is written by one request. All other files are
multipart uploads, whose parts are sent while further bytes arrive.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from stac_asset.concurrency import in_thread
from stac_asset.destinations.buckets.buffers import BufferBudget
from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges
from stac_asset.destinations.s3.copying import MAX_COPY, StoreCopying
from stac_asset.destinations.s3.digest import OrderedDigest
from stac_asset.destinations.s3.objects import CHECKSUM, MARK
from stac_asset.destinations.s3.part_writer import PartWriter
from stac_asset.destinations.s3.parts import MAX_HELD, PartLayout
from stac_asset.destinations.s3.replacing import Replaced, replace_object
from stac_asset.destinations.s3.sending import MultipartUpload, sha256_of
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.s3.unfinished import Unfinished
from stac_asset.destinations.store_copy import CopyTarget, StoreCopy, StoredSource
from stac_asset.destinations.upload_state import StatefulUpload, UploadState, check_checksum
from stac_asset.destinations.values import Declared, VersionError
from stac_asset.errors import DestinationError
from stac_asset.integrity import Multihash, new_hash


class S3Upload(StatefulUpload):
    """The upload of a file to a key.

    Args:
        store: The bucket.
        key: The key in the bucket.
        source: Digest of the source's identity.
        declared: The expected size and checksum.
        hashed: Compute a checksum even if none is declared.
        replaced: The present object of the key.
        budget: The memory of the parts of all uploads.
        smallest: Minimum size of a part in bytes.
        unfinished: The upload of an earlier run from the same source, if any.
        largest_held: Maximum size in bytes of a part that is held in memory until it is sent.
        largest_copy: Maximum size in bytes of an object that one request copies in the store.
    """

    def __init__(
        self,
        store: S3Store,
        key: str,
        source: str,
        declared: Declared,
        hashed: bool,
        replaced: Replaced,
        budget: BufferBudget,
        smallest: int,
        unfinished: Unfinished | None = None,
        largest_held: int = MAX_HELD,
        largest_copy: int = MAX_COPY,
    ) -> None:
        self._store, self._key, self._source = store, key, source
        self._declared, self._replaced = declared, replaced
        self._hashed = hashed or declared.checksum is not None
        self._budget, self._smallest, self._largest_held = budget, smallest, largest_held
        self._largest_copy = largest_copy
        self._began = self._ended = False
        self._reset()
        if unfinished is not None:
            self._resume(unfinished)

    def _reset(self) -> None:
        """Set the state of an upload without received bytes."""
        self._state = UploadState(self._declared.size)
        self._set_writer(self._new_multipart(self._metadata()))

    def _new_multipart(
        self, metadata: Mapping[str, str], unfinished: Unfinished | None = None
    ) -> MultipartUpload:
        return MultipartUpload(
            self._store, self._key, metadata, self._budget, self._replaced, unfinished
        )

    def _set_writer(self, multipart: MultipartUpload) -> None:
        digest = OrderedDigest(self._declared.checksum) if self._hashed else None
        self._multipart = multipart
        self._writer = PartWriter(
            self._state, self._source, multipart, self._budget, digest, self._largest_held
        )

    def _metadata(self) -> Mapping[str, str]:
        checksum = self._declared.checksum
        return {} if checksum is None else {CHECKSUM: str(checksum)}

    def _resume(self, unfinished: Unfinished) -> None:
        note, layout, parts = unfinished.note, unfinished.note.layout, unfinished.parts
        self._set_writer(self._new_multipart(self._metadata(), unfinished))
        self._writer.layout = layout
        if self._declared.checksum is not None:
            # The digest needs all bytes, and stored parts cannot be read. So all bytes are
            # requested again, and parts that are the same are not sent again.
            return
        self._state.offset, self._state.missing = layout.received({one.number for one in parts})
        kept = unfinished.received_parts(self._state.offset, self._state.missing)
        if not kept:
            return
        self._multipart.keep(kept)
        self._state.validator, self._state.size = note.validator, layout.size
        self._writer.head = bytearray(note.head)
        self._writer.digest = None

    @property
    def replaces(self) -> bool:
        """Whether the key had an object when the upload was opened."""
        return self._replaced.etag is not None

    @property
    def copy_target(self) -> CopyTarget | None:
        """Returns the service and the credentials of requests, if objects can be copied."""
        return self._store.access

    async def copy(self, source: StoredSource) -> StoreCopy | None:
        """Let the service copy an object, and verify the copy before the key changes.

        Args:
            source: The object.

        Returns:
            The copy, or None if the service does not copy the object.

        Raises:
            SizeError: The size differs from the declared one.
            ChecksumError: The checksum differs from the declared one.
            DestinationError: Another run has replaced the object of the key.
        """
        if self._multipart.upload is not None:
            await self.restart()
        copying = StoreCopying(
            self._store,
            self._key,
            source,
            self._declared,
            self._hashed,
            self._replaced,
            self._new_multipart,
            self._source,
            self._largest_copy,
        )
        done = await copying.run()
        if done is None:
            return None
        copied, self.version = done
        self._state.offset, self._ended = copied.size, True
        return copied

    async def begin(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Accept a response, or reject a response that does not continue the received bytes.

        Args:
            offset: Position of the first byte of the response. 0 discards the received bytes.
            validator: The identifier of this version at the source, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after the last byte of the response, if it is only a part of the file.

        Raises:
            RangeError: The response does not continue the received bytes.
            SizeError: The size differs from the declared one.
            DestinationError: S3 does not store files of this size.
        """
        self._began = True
        known = size if size is not None else self._declared.size
        layout = self._writer.layout
        if not offset and layout is not None and layout.size not in (None, known):
            await self.restart()  # The stored parts are those of a file of another size.
        await super().begin(offset, validator, size, end)
        writer = self._writer
        if writer.layout is None:
            writer.layout = PartLayout.of(known, self._smallest)
        # The digest of parts that are not held in memory needs their bytes in order.
        self.accepts_ranges = writer.digest is None or not writer.is_streamed(writer.layout)

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes after the received ones. They are copied.

        Raises:
            DestinationError: The bytes cannot be written.
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """
        state = self._state
        state.check_room(len(data))
        start = state.offset
        try:
            await self._writer.append(start, data)
        except DestinationError:
            # The bytes of a part that was lost are requested again.
            lost_at = self._writer.lost_at
            state.offset = lost_at if lost_at is not None else start
            raise
        state.offset += len(data)

    async def split(self) -> None:
        """Let the rest of the file arrive in several byte ranges. The size must be known."""
        size, layout = self._state.size, self._writer.layout
        assert size is not None, "a file of unknown size cannot be split"
        assert layout is not None, "a response has begun"
        rest = [ByteRange(self._state.offset, size)]
        self._state.missing = MissingRanges(size, rest, step=layout.unit)

    async def put(self, target: ByteRange, data: bytes | memoryview) -> None:
        """Write bytes at the start of a missing range, and shorten the range.

        Args:
            target: One of the ranges in `missing`.
            data: The bytes. They are copied.

        Raises:
            DestinationError: The bytes cannot be written.
        """
        missing = self._state.missing
        assert missing is not None, "the target is one of the missing ranges"
        try:
            await self._writer.append(target.position, data)
        except DestinationError:
            lost_at = self._writer.lost_at
            if lost_at is not None:
                self._state.offset -= target.position - lost_at
                target.position = lost_at
            raise
        missing.advance(target, len(data))
        self._state.offset += len(data)

    async def head(self, size: int) -> bytes:
        """Return the first received bytes.

        Args:
            size: Maximum number of bytes.
        """
        return bytes(self._writer.head[:size])

    async def restart(self) -> None:
        """Discard the received bytes."""
        await self._drop()
        self._reset()

    async def _drop(self) -> None:
        await self._writer.end_streams()
        await self._multipart.abort()
        self._writer.release()

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
        if not self._multipart.has_parts:
            return await self._commit_single()
        await self._writer.send_rest()
        await self._multipart.wait()
        digest = self._writer.digest
        computed = digest.multihash() if digest is not None else None
        check_checksum(self._declared.checksum, computed)
        try:
            self.version = await self._multipart.complete()
        except VersionError:
            # No later run finds the parts, if the other run has replaced the note too.
            await self.discard()
            raise
        self._ended = True
        if computed is None and self._hashed:
            computed = await self._read_back()
        return str(computed) if computed is not None else None

    async def _commit_single(self) -> str | None:
        data, digest = self._writer.single(), self._writer.digest
        if digest is not None:
            await digest.add(1, data.getbuffer())
        computed = digest.multihash() if digest is not None else None
        check_checksum(self._declared.checksum, computed)
        mark = uuid.uuid4().hex
        metadata = {MARK: mark}
        if computed is not None:
            metadata[CHECKSUM] = str(computed)
        sha256 = await sha256_of(data)

        async def send(condition: Mapping[str, str]) -> str:
            return await self._store.put(self._key, data, condition, metadata, sha256)

        self.version = await replace_object(self._store, self._key, mark, self._replaced, send)
        self._ended = True
        self._writer.release()
        # Another run may have started an upload in parts, which a file this small does not need.
        await self._multipart.abort()
        return str(computed) if computed is not None else None

    async def _read_back(self) -> Multihash:
        """Return the multihash of the stored object, after an upload that was resumed."""
        code, running = new_hash()
        try:
            async for block in self._store.read(self._key):
                await in_thread(running.update, block)
        except MissingError:
            raise DestinationError(
                f"{self._store.url_of(self._key)} was removed by another program. Start one run "
                "at a time for a destination."
            ) from None
        return Multihash(code, running.digest())

    async def discard(self) -> None:
        """Discard the received bytes and end the upload. The previous file stays."""
        self._ended = True
        await self._drop()

    async def close(self) -> None:
        """End the upload. Keep an upload that a later run can resume, or another run uses."""
        if self._ended:
            return
        self._ended = True
        await self._writer.end_streams()
        await self._multipart.stop()
        self._writer.release()
        is_resumable = self._state.validator is not None or self._declared.checksum is not None
        is_kept = is_resumable or not self._began
        if not (is_kept and (self._multipart.has_parts or self._multipart.is_adopted)):
            await self._multipart.abort()
