"""Internal: the multipart upload of a file, from the first full part to the end.

`S3Upload` fills the parts.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from stac_asset.concurrency import cancel_all, in_thread
from stac_asset.destinations.buckets.buffers import BufferBudget
from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.s3.digest import OrderedDigest
from stac_asset.destinations.s3.note import UploadNote, starting_note
from stac_asset.destinations.s3.objects import MARK, StoredPart
from stac_asset.destinations.s3.replacing import Replaced, replace_object
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.s3.streaming import StreamedPart
from stac_asset.destinations.s3.unfinished import Unfinished
from stac_asset.destinations.s3.written_note import WrittenNote
from stac_asset.destinations.store_copy import StoredSource
from stac_asset.errors import DestinationError

_SMALL = 128 * 1024
"""Maximum number of bytes to hash without a thread."""

_SETTLE = 10.0
"""Maximum seconds to wait for parts that are being sent when an upload is left."""


@dataclass(slots=True, eq=False)
class Part:
    """A part that is being received. The bytes arrive in order."""

    number: int
    start: int
    end: int
    """Position after the last byte, if all bytes of the part arrive."""
    reserved: int
    """Number of bytes of the budget."""
    data: io.BytesIO = field(default_factory=io.BytesIO)

    @property
    def position(self) -> int:
        """Position of the next byte in the file."""
        return self.start + self.size

    @property
    def size(self) -> int:
        """Number of received bytes."""
        return self.data.getbuffer().nbytes


class MultipartUpload:
    """A multipart upload to a key.

    Args:
        store: The bucket.
        key: The key of the object.
        metadata: The metadata of the object.
        budget: The memory of the parts.
        replaced: The present object of the key.
        unfinished: An upload that an earlier run started, if any.
    """

    def __init__(
        self,
        store: S3Store,
        key: str,
        metadata: Mapping[str, str],
        budget: BufferBudget,
        replaced: Replaced,
        unfinished: Unfinished | None = None,
    ) -> None:
        self._store, self._key = store, key
        self._metadata = metadata
        self._budget = budget
        self.replaced = replaced
        self.upload = unfinished.note.upload if unfinished is not None else None
        self.is_adopted = unfinished is not None
        """Whether another run started the upload."""
        self.mark = unfinished.note.mark if unfinished is not None else uuid.uuid4().hex
        etag = unfinished.etag if unfinished is not None else None
        self._note = WrittenNote(store, key, self.mark, replaced.checked, etag)
        parts = unfinished.parts if unfinished is not None else ()
        self._earlier = {part.number: part for part in parts}
        self._stored: dict[int, StoredPart] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._creating = asyncio.Lock()

    @property
    def has_parts(self) -> bool:
        """Whether parts are stored, or being stored."""
        return bool(self._stored or self._earlier or self._tasks)

    def keep(self, numbers: Iterable[int]) -> None:
        """Use parts of the earlier run without another transfer.

        Args:
            numbers: The numbers of the parts.
        """
        for number in numbers:
            self._stored[number] = self._earlier[number]

    async def start(self, note: Callable[[str, str], UploadNote]) -> None:
        """Start the upload and write the note, unless the upload has started.

        A first note is written before the upload starts, so that a later run finds the upload of a
        run that is killed before the second note.

        Args:
            note: Returns the note for the id and the mark of the upload.
        """
        async with self._creating:
            if self.upload is not None:
                return
            await self._note.write(starting_note(self._key))
            metadata = {**self._metadata, MARK: self.mark}
            self.upload = await self._store.multipart.create(self._key, metadata)
            await self._note.write(note(self.upload, self.mark).to_bytes())

    def send(self, part: Part, digest: OrderedDigest | None) -> None:
        """Hash and send a full part in the background, and return the memory afterwards.

        Args:
            part: The part. The upload has started.
            digest: The digest of the file, if it is computed.
        """
        self._tasks.add(asyncio.create_task(self._send(part, digest)))

    async def _send(self, part: Part, digest: OrderedDigest | None) -> None:
        try:
            hashed = (
                asyncio.create_task(digest.add(part.number, part.data.getbuffer()))
                if digest
                else None
            )
            try:
                self._stored[part.number] = await self._sent(part)
                if hashed is not None:
                    await hashed
            finally:
                if hashed is not None:
                    hashed.cancel()
                    await asyncio.wait([hashed])
        finally:
            self._budget.release(part.reserved, part.data)

    async def _sent(self, part: Part) -> StoredPart:
        sha256 = await sha256_of(part.data)
        earlier = self._earlier.get(part.number)
        if earlier is not None and await in_thread(_is_same, earlier, part, sha256):
            return earlier
        assert self.upload is not None, "the upload has started"
        try:
            return await self._store.multipart.put_part(
                self._key, self.upload, part.number, part.data, sha256
            )
        except MissingError:
            raise self._ended_by_another() from None

    async def copy_part(
        self, number: int, source: StoredSource, start: int, end: int
    ) -> str | None:
        """Let the service copy a part, and return the SHA-256 digest in base64, if reported.

        Args:
            number: The number of the part.
            source: The object to copy from.
            start: Position of the first byte in the file.
            end: Position after the last byte.

        Raises:
            MissingError: The upload or the source does not exist.
            ConflictError: The source has another version.
            DestinationError: The request failed.
        """
        assert self.upload is not None, "the upload has started"
        part = await self._store.copies.copy_part(
            self._key, self.upload, number, source, start, end
        )
        self._stored[number] = part
        return part.sha256

    def stream(self, number: int, start: int, end: int) -> StreamedPart:
        """Return a part for streaming.

        Args:
            number: The number of the part.
            start: Position of the first byte in the file.
            end: Position after the last byte.
        """
        return StreamedPart(number, start, end, self._stream)

    async def _stream(self, part: StreamedPart) -> StoredPart:
        earlier = self._earlier.get(part.number)
        if earlier is not None and earlier.size == part.size:
            if not await part.has_content_of(earlier):
                del self._earlier[part.number]
                raise self._lost(part.number)
            stored = earlier
        else:
            assert self.upload is not None, "the upload has started"
            try:
                stored = await self._store.multipart.put_stream(self._key, self.upload, part)
            except MissingError:
                raise self._ended_by_another() from None
            except DestinationError as error:
                raise self._lost(part.number) from error
        self._stored[part.number] = stored
        return stored

    def _lost(self, number: int) -> DestinationError:
        """Return the error after which the bytes of a part are requested again."""
        error = DestinationError(
            f"part {number} of {self._store.url_of(self._key)} could not be stored. Try again later"
        )
        error.transient = error.resumable = True
        return error

    def _ended_by_another(self) -> DestinationError:
        return DestinationError(
            f"{self._store.url_of(self._key)} cannot be written: another run ended the "
            "unfinished upload. Start one run at a time for a destination."
        )

    def check(self) -> None:
        """Raise the error of a part that could not be stored, if any.

        Raises:
            DestinationError: A part could not be stored.
        """
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    async def wait(self) -> None:
        """Wait until all parts are stored.

        Raises:
            DestinationError: A part could not be stored.
        """
        while self._tasks:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self.check()

    async def complete(self) -> str:
        """Complete the upload, remove the note, and return the ETag of the object.

        Raises:
            DestinationError: The upload cannot be completed.
        """
        upload = self.upload
        assert upload is not None, "the upload has started"
        parts = [self._stored[number] for number in sorted(self._stored)]

        async def send(condition: Mapping[str, str]) -> str:
            return await self._store.multipart.complete(self._key, upload, parts, condition)

        etag = await replace_object(self._store, self._key, self.mark, self.replaced, send)
        with suppress(DestinationError):  # The next run removes a note without an upload.
            await self._note.remove()
        return etag

    async def stop(self) -> None:
        """Wait for the parts that are being sent, for ten seconds at most."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_SETTLE)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()

    async def abort(self) -> None:
        """Cancel all parts, abort the upload, and remove the note."""
        await cancel_all(self._tasks)
        self._tasks.clear()
        if self.upload is not None:
            with suppress(DestinationError):  # `clean` removes what is left.
                await self._store.multipart.abort(self._key, self.upload)
                await self._note.remove()


def _is_same(earlier: StoredPart, part: Part, sha256: bytes) -> bool:
    """Return whether a stored part has the bytes of a received part.

    Without a SHA-256 digest, the ETag is compared. It is the MD5 digest, unless the service
    encrypts parts with its own keys.
    """
    if earlier.size != part.size:
        return False
    if earlier.sha256 is not None:
        return earlier.sha256 == base64.b64encode(sha256).decode()
    md5 = hashlib.md5(part.data.getbuffer(), usedforsecurity=False)
    return earlier.etag.strip('"') == md5.hexdigest()


async def sha256_of(data: io.BytesIO) -> bytes:
    """Return the SHA-256 digest of a part. Large parts are hashed in a thread.

    Args:
        data: The bytes of the part.
    """
    content = data.getbuffer()
    if content.nbytes <= _SMALL:
        return hashlib.sha256(content).digest()
    return await in_thread(lambda: hashlib.sha256(content).digest())
