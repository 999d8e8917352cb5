"""Internal: the memory for parts that are being received or sent, which is limited and reused."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024
"""Number of bytes of a mebibyte."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A part that waits for memory."""

    size: int
    is_urgent: Callable[[], bool]
    granted: asyncio.Future[None]


class PartData(io.BytesIO):
    """The bytes of a part of known size, as the file that botocore and aiohttp read.

    `io.BytesIO` reserves more memory than needed, and copies the bytes as it grows.

    Args:
        memory: The memory, of the size of the part or larger.
    """

    def __init__(self, memory: bytearray) -> None:
        super().__init__()
        self.memory = memory
        self._view = memoryview(memory)
        self._end = self._position = 0

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        """Append bytes.

        Args:
            data: The bytes. They are copied.
        """
        end = self._end + len(data)
        self._view[self._end : end] = data
        self._end = end
        return len(data)

    def getbuffer(self) -> memoryview:
        """Return the appended bytes."""
        return self._view[: self._end]

    def read(self, size: int | None = -1, /) -> bytes:
        """Return a copy of the next bytes: a connection may keep bytes after the part has ended.

        Args:
            size: Maximum number of bytes. By default, all.
        """
        end = self._end if size is None or size < 0 else min(self._end, self._position + size)
        found = bytes(self._view[self._position : end])
        self._position = end
        return found

    def seek(self, position: int, origin: int = io.SEEK_SET, /) -> int:
        """Set the position of the next `read`.

        Args:
            position: The position.
            origin: The start of the position, as for `io.IOBase.seek`.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[origin]
        self._position = base + position
        return self._position

    def tell(self) -> int:
        """Return the position of the next `read`."""
        return self._position


class BufferBudget:
    """Memory of the parts of a destination, for one event loop.

    Parts get memory in order. The last `reserve` bytes are for urgent parts: those whose hashing
    other parts of the file wait for. Without a reserve, parts that wait for such a part could use
    up the memory that it needs.

    Args:
        limit: The budget in bytes.
        reserve: The bytes for urgent parts: the usual size of a part.
    """

    def __init__(self, limit: int, reserve: int) -> None:
        self._limit, self._reserve = limit, reserve
        self._waiting: list[_Waiting] = []
        self._free: list[bytearray] = []
        self.used = 0

    async def acquire(self, size: int, is_urgent: Callable[[], bool]) -> None:
        """Take memory, and wait until enough is free.

        Args:
            size: Number of bytes. A size beyond the budget is granted if no memory is in use.
            is_urgent: Returns whether other parts wait for this part. The result may change.
        """
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(size, is_urgent, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():  # The memory was granted meanwhile.
                self.release(size)
            raise

    def data(self, size: int) -> PartData:
        """Return empty data for a part, after `acquire`. Memory of the usual size is reused.

        Args:
            size: Size of the part in bytes.
        """
        if size == self._reserve and self._free:
            return PartData(self._free.pop())
        return PartData(bytearray(size))

    def release(self, size: int, data: io.BytesIO | None = None) -> None:
        """Return memory.

        Args:
            size: Number of bytes.
            data: The data of the part, if any. No other code uses the data any more.
        """
        self.used -= size
        if isinstance(data, PartData) and len(data.memory) == self._reserve:
            self._free.append(data.memory)
        self._grant()

    def _grant(self) -> None:
        blocked = False
        left = []
        for part in self._waiting:
            if part.granted.done():
                continue
            urgent = part.is_urgent()
            limit = self._limit if urgent else self._limit - self._reserve
            fits = not self.used or self.used + part.size <= limit
            if fits and (urgent or not blocked):
                self.used += part.size
                part.granted.set_result(None)
            else:
                blocked = True
                left.append(part)
        self._waiting = left
