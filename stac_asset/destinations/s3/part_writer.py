"""Internal: the parts of an upload to an S3 bucket, filled by the bytes that arrive.

A part is held in memory until it is full. Larger parts are sent while their bytes arrive.
"""

from __future__ import annotations

import io

from stac_asset.destinations.buckets.buffers import MIB, BufferBudget
from stac_asset.destinations.s3.digest import OrderedDigest
from stac_asset.destinations.s3.note import HEAD_SIZE, UploadNote
from stac_asset.destinations.s3.parts import PartLayout
from stac_asset.destinations.s3.sending import MultipartUpload, Part
from stac_asset.destinations.s3.streaming import StreamedPart
from stac_asset.destinations.upload_state import UploadState
from stac_asset.errors import DestinationError


class PartWriter:
    """The parts of an upload.

    Args:
        state: The received bytes of the upload.
        source: Digest of the source's identity.
        multipart: Sends the parts.
        budget: The memory of the parts of all uploads.
        digest: The digest of the file, if it is computed.
        largest_held: Maximum size in bytes of a part that is held in memory until it is sent.
    """

    layout: PartLayout | None = None
    """The sizes of the parts, from the first response on."""

    lost_at: int | None = None
    """Position of the first byte of a streamed part that could not be stored, after an error."""

    def __init__(
        self,
        state: UploadState,
        source: str,
        multipart: MultipartUpload,
        budget: BufferBudget,
        digest: OrderedDigest | None,
        largest_held: int,
    ) -> None:
        self._state, self._source, self.multipart = state, source, multipart
        self._budget, self.digest, self._largest_held = budget, digest, largest_held
        self.head = bytearray()
        self._parts: dict[int, Part] = {}
        self._streamed: dict[int, StreamedPart] = {}

    async def append(self, position: int, data: bytes | memoryview) -> None:
        """Add bytes to their parts, and send the parts that are full.

        Args:
            position: Position of the first byte in the file. The bytes of a part arrive in order.
            data: The bytes. They are copied.

        Raises:
            DestinationError: The bytes cannot be written. `lost_at` is set if earlier bytes are
                lost too.
        """
        self.lost_at = None
        self.multipart.check()
        layout, view = self.layout, memoryview(data)
        assert layout is not None, "a response has begun"
        if position < HEAD_SIZE:
            self.head[position:] = view[: HEAD_SIZE - position]
        while view:
            number = layout.number_at(position)
            if self.is_streamed(layout):
                taken = view[: layout.span(number)[1] - position]
                await self._stream(number, layout, taken)
                position += len(taken)
                view = view[len(taken) :]
                continue
            part = self._parts.get(number) or await self._open_part(number, layout)
            assert part.position == position, "the bytes of a part arrive in order"
            taken = view[: part.end - position]
            part.data.write(taken)
            position += len(taken)
            view = view[len(taken) :]
            if position == part.end and not self._is_single(part):
                await self._send(part)

    def is_streamed(self, layout: PartLayout) -> bool:
        """Return whether the parts are too large to be held in memory.

        Args:
            layout: The parts of the file.
        """
        size = layout.size
        return layout.unit > self._largest_held and size is not None and size > layout.unit

    async def _stream(self, number: int, layout: PartLayout, data: memoryview) -> None:
        """Send bytes of a streamed part. After the last byte, wait for the response."""
        part = self._streamed.get(number)
        if part is None:
            await self.multipart.start(self._note)
            part = self._streamed[number] = self.multipart.stream(number, *layout.span(number))
            if self.digest is not None:
                self.digest.begin_part()
        try:
            await part.write(data)
            if self.digest is not None:
                await self.digest.update(data)
            if part.position == part.end:
                await part.finish()
                del self._streamed[number]
        except DestinationError:
            self.lost_at = part.start
            del self._streamed[number]
            await part.abort()
            if self.digest is not None:
                self.digest.drop_part()
            raise

    async def _open_part(self, number: int, layout: PartLayout) -> Part:
        start, end = layout.span(number)
        # Most files of unknown size are small.
        reserved = end - start if layout.size is not None or number > 1 else MIB
        digest = self.digest
        await self._budget.acquire(reserved, lambda: digest is None or digest.next == number)
        part = self._parts[number] = Part(number, start, end, reserved)
        if reserved == end - start:
            part.data = self._budget.data(reserved)
        return part

    def _is_single(self, part: Part) -> bool:
        """Return whether a part is the whole file, for a single request."""
        return part.number == 1 and part.end == (self._state.size or self._state.declared_size)

    async def send_rest(self) -> None:
        """Send the last part of a file of unknown size."""
        for part in list(self._parts.values()):
            await self._send(part)

    def single(self) -> io.BytesIO:
        """Return the content of a file that has a single part."""
        return self._parts[1].data if self._parts else io.BytesIO()

    async def _send(self, part: Part) -> None:
        await self.multipart.start(self._note)
        del self._parts[part.number]
        self.multipart.send(part, self.digest)

    def _note(self, upload: str, mark: str) -> UploadNote:
        """Return the note for a later run, which continues or aborts the upload."""
        layout = self.layout
        assert layout is not None, "a response has begun"
        replaces, validator = self.multipart.replaced.etag, self._state.validator
        return UploadNote(upload, mark, self._source, replaces, validator, layout, bytes(self.head))

    async def end_streams(self) -> None:
        """End the requests of streamed parts. Their bytes are lost."""
        for part in self._streamed.values():
            await part.abort()
        self._streamed.clear()

    def release(self) -> None:
        """Return the memory of the parts that are not sent."""
        for part in self._parts.values():
            self._budget.release(part.reserved, part.data)
        self._parts.clear()
