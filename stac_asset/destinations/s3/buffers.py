"""Internal: limits the memory for parts that are being received or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Waiting:
    """A part that waits for memory."""

    size: int
    is_urgent: Callable[[], bool]
    granted: asyncio.Future[None]


class BufferBudget:
    """Memory for the parts of all uploads of a destination, in one event loop.

    Parts get memory in order. The last `reserve` bytes are for urgent parts: those whose hashing
    other parts of the file wait for. Without a reserve, parts that wait for such a part could use
    up the memory that it needs.

    Args:
        limit: The budget in bytes.
        reserve: The bytes for urgent parts.
    """

    def __init__(self, limit: int, reserve: int) -> None:
        self._limit, self._reserve = limit, reserve
        self._waiting: list[_Waiting] = []
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

    def release(self, size: int) -> None:
        """Return memory.

        Args:
            size: Number of bytes.
        """
        self.used -= size
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
