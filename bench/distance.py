"""A TCP proxy that adds latency and a rate limit to each connection of a local server.

    python -m bench.distance PORT TARGET-PORT MILLISECONDS [BYTES-PER-SECOND [TOTAL]]

Data is delayed by half a round trip in each direction. The first data of a connection also waits
for the handshake. The rates limit the data from the server to the client: of each connection, or
the total of all connections. MILLISECONDS is the time of a round trip.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

from stac_asset.concurrency import new_runner

_MAX_BUFFERED = 512 * 1024
"""Maximum number of bytes that the proxy buffers for a connection and direction."""


class _Line:
    """A line with a maximum rate, in bytes per second. 0 means no limit."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._busy_until = 0.0

    def sent(self, size: int, now: float) -> float:
        """Return the time at which data has passed the line.

        Args:
            size: Number of bytes.
            now: The present time, in seconds.
        """
        if self._rate:
            self._busy_until = max(now, self._busy_until) + size / self._rate
        return max(now, self._busy_until)


class _Endpoint(asyncio.Protocol):
    """An end of a connection. Received data is sent at the other end after a delay."""

    def __init__(self, delay: float, line: _Line) -> None:
        self._delay = delay
        self._line = line
        self._buffered: deque[bytes | None] = deque()
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.other: _Endpoint | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _MAX_BUFFERED and self.transport is not None:
            self.transport.pause_reading()
        self._schedule(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._schedule(None)

    def _schedule(self, data: bytes | None) -> None:
        self._buffered.append(data)
        passed = self._line.sent(len(data or b""), self._loop.time())
        self._loop.call_at(passed + self._delay, self._forward)

    def _forward(self) -> None:
        data = self._buffered.popleft()
        if data is not None:
            self._size -= len(data)
            own = self.transport
            if self._size <= _MAX_BUFFERED and own is not None and not own.is_closing():
                own.resume_reading()
        to = self.other.transport if self.other is not None else None
        if to is None or to.is_closing():
            return
        if data is None:
            to.close()
        else:
            to.write(data)


class _ClientEndpoint(_Endpoint):
    """The end at the client. The connection to the server opens after the handshake time."""

    def __init__(self, delay: float, line: _Line, target: int) -> None:
        super().__init__(delay, _Line(0.0))
        self._server_limits = (delay, line)
        self._target = target
        self._received_early: list[bytes | None] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    def _schedule(self, data: bytes | None) -> None:
        if self.other is None:
            self._received_early.append(data)
        else:
            super()._schedule(data)

    async def _connect(self) -> None:
        await asyncio.sleep(2 * self._delay)
        _, far = await self._loop.create_connection(
            lambda: _Endpoint(*self._server_limits), "127.0.0.1", self._target
        )
        far.other, self.other = self, far
        for data in self._received_early:
            self._schedule(data)


async def _serve(
    port: int, target: int, milliseconds: float, rate: float = 0.0, total: float = 0.0
) -> None:
    loop = asyncio.get_running_loop()
    delay, shared = milliseconds / 2000, _Line(total)
    server = await loop.create_server(
        lambda: _ClientEndpoint(delay, shared if total else _Line(rate), target),
        "127.0.0.1",
        port,
        backlog=4096,
    )
    await server.serve_forever()


if __name__ == "__main__":
    with new_runner() as runner:
        runner.run(_serve(int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:])))
