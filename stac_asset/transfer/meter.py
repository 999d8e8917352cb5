"""Internal: the interface of meters, which count and slow down the traffic with a host.

The caller of the engine gives a meter to the connections of a host. The flows use meters for their
budgets. Connections have no meter by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, cast

from stac_asset.destinations.interface import Upload
from stac_asset.transfer.interface import Response
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


def chunks_for(
    upload: Upload, response: Response, meter: Meter | None, timer: StallTimer
) -> AsyncIterator[bytes | memoryview]:
    """Return the chunks of a response for an upload.

    The chunks are `PipedBytes` in part if the upload accepts them. They have the methods of `bytes`
    that the engine uses.

    Args:
        upload: The upload.
        response: The response.
        meter: The meter of the connection, if any.
        timer: The timer of the attempt.
    """
    chunks = response.chunks
    if response.piped_chunks is not None and upload.accepts_pipes:
        chunks = cast(AsyncIterator[bytes | memoryview], response.piped_chunks)
    return chunks if meter is None else _metered(chunks, meter, timer)


async def _metered(
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
