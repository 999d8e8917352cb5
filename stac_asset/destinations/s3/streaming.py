"""Internal: parts above the memory limit, with bytes that are sent on arrival.

A request cannot be repeated after some bytes were sent. The upload then requests the bytes of the
part from the source again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import Awaitable, Callable

from stac_asset.concurrency import cancel_all
from stac_asset.destinations.s3.objects import StoredPart
from stac_asset.errors import DestinationError

_MAX_BLOCKS = 4
"""Number of blocks that wait to be sent."""


class StreamedPart:
    """A part that is being received and sent. The body of a request reads the bytes.

    Args:
        number: The number of the part.
        start: Position of the first byte.
        end: Position after the last byte.
        send: Reads the part to the end, and returns the stored part.
    """

    def __init__(
        self,
        number: int,
        start: int,
        end: int,
        send: Callable[[StreamedPart], Awaitable[StoredPart]],
    ) -> None:
        self.number, self.start, self.end = number, start, end
        self.position = start
        """Position of the next byte in the file."""
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue(_MAX_BLOCKS)
        self._left = end - start
        self._task = asyncio.ensure_future(send(self))

    @property
    def size(self) -> int:
        """Size of the complete part in bytes."""
        return self.end - self.start

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes, and wait until the request has room for further bytes.

        Args:
            data: The bytes. They are copied.

        Raises:
            DestinationError: The request failed.
        """
        putting = asyncio.ensure_future(self._blocks.put(bytes(data)))
        try:
            await asyncio.wait({putting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        self.position += len(data)
        if self._task.done() and self.position < self.end:
            self._task.result()
            error = DestinationError(
                f"the service responded before the end of part {self.number}. Try again later"
            )
            error.transient = error.resumable = True
            raise error

    async def finish(self) -> StoredPart:
        """Return the stored part, after the last byte was written.

        Raises:
            DestinationError: The request failed.
        """
        return await self._task

    async def abort(self) -> None:
        """Cancel the request."""
        await cancel_all([self._task])
        if not self._task.cancelled():
            self._task.exception()  # Otherwise asyncio logs the exception as never retrieved.

    async def read(self, _: int = -1) -> bytes:
        """Return the next bytes, of any number; empty at the end of the part."""
        if not self._left:
            return b""
        block = await self._blocks.get()
        self._left -= len(block)
        return block

    def seek(self, position: int) -> None:
        """Refuse to repeat bytes that were read.

        Args:
            position: 0, the start of the part.

        Raises:
            io.UnsupportedOperation: Bytes were read.
        """
        if position or self._left != self.size:
            raise io.UnsupportedOperation("the part was partly sent")

    async def has_content_of(self, stored: StoredPart) -> bool:
        """Read the part to the end, and return whether the bytes are those of a stored part.

        Args:
            stored: The stored part.
        """
        new = hashlib.sha256 if stored.sha256 is not None else _md5
        running = new()
        while block := await self.read():
            running.update(block)
        if stored.sha256 is not None:
            return base64.b64encode(running.digest()).decode() == stored.sha256
        return running.hexdigest() == stored.etag.strip('"')


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
