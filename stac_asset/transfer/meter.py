"""Internal: the interface of meters, which count and slow down the traffic with a host.

The caller of the engine gives a meter to the connections of a host. The flows use meters for their
budgets. Connections have no meter by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from stac_asset.transfer.stall import StallTimer


class Meter(Protocol):
    """Counts the requests and received bytes of a connection."""

    async def wait_to_request(self) -> None:
        """Wait until another request for a file or a byte range may be sent."""

    def count(self, size: int) -> None:
        """Count received bytes, including bytes of attempts that fail.

        Args:
            size: Number of bytes.
        """

    def may_continue(self, size: int) -> bool:
        """Return whether further bytes may be received without a wait, and count the bytes if so.

        Args:
            size: Number of bytes that were just received.
        """

    async def wait_to_continue(self, size: int) -> None:
        """Wait until further bytes may be received, and count the received bytes.

        Args:
            size: Number of bytes that were just received.
        """


async def metered(
    chunks: AsyncIterator[bytes | memoryview], meter: Meter, timer: StallTimer
) -> AsyncIterator[bytes | memoryview]:
    """Yield the chunks of a response at the speed that a meter allows.

    Args:
        chunks: The chunks of the response.
        meter: The meter of the connection.
        timer: The timer of the attempt. Waits for the meter do not count.

    Yields:
        The unchanged chunks.
    """
    async for chunk in chunks:
        size = len(chunk)
        yield chunk
        if not meter.may_continue(size):
            suspended = timer.loop.time()
            timer.suspend()
            try:
                await meter.wait_to_continue(size)
            finally:
                timer.resume(timer.loop.time() - suspended)
