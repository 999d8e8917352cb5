"""A TCP proxy that makes an origin far away, and each of its connections as slow as it is told.

    python -m bench.distance PORT TARGET-PORT MILLISECONDS [BYTES-PER-SECOND]

Everything waits for half a round trip each way, a connection's first bytes for the handshake too,
and what comes back for its share of the rate.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

from stac_asset.concurrency import new_runner

_AHEAD = 512 * 1024
"""Bytes that wait in the proxy, at most."""


class _Way(asyncio.Protocol):
    """One end of a connection; what comes in here goes out, later, at the other end."""

    def __init__(self, delay: float, rate: float) -> None:
        self._delay = delay
        self._rate = rate
        self._free = 0.0
        self._waiting: deque[bytes | None] = deque()
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.other: _Way | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _AHEAD and self.transport is not None:
            self.transport.pause_reading()
        self._later(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(None)

    def _later(self, data: bytes | None) -> None:
        self._waiting.append(data)
        now = self._loop.time()
        if self._rate and data is not None:
            self._free = max(now, self._free) + len(data) / self._rate
        self._loop.call_at(max(now, self._free) + self._delay, self._pass_on)

    def _pass_on(self) -> None:
        data = self._waiting.popleft()
        if data is not None:
            self._size -= len(data)
            own = self.transport
            if self._size <= _AHEAD and own is not None and not own.is_closing():
                own.resume_reading()
        to = self.other.transport if self.other is not None else None
        if to is None or to.is_closing():
            return
        if data is None:
            to.close()
        else:
            to.write(data)


class _Near(_Way):
    """The end at the client; the far one is connected when the handshake would be over."""

    def __init__(self, delay: float, rate: float, target: int) -> None:
        super().__init__(delay, 0.0)
        self._answers = (delay, rate)
        self._target = target
        self._early: list[bytes | None] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    def _later(self, data: bytes | None) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            super()._later(data)

    async def _connect(self) -> None:
        await asyncio.sleep(2 * self._delay)
        _, far = await self._loop.create_connection(
            lambda: _Way(*self._answers), "127.0.0.1", self._target
        )
        far.other, self.other = self, far
        for data in self._early:
            self._later(data)


async def _serve(port: int, target: int, milliseconds: float, rate: float) -> None:
    loop = asyncio.get_running_loop()
    delay = milliseconds / 2000
    server = await loop.create_server(
        lambda: _Near(delay, rate, target), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    with new_runner() as runner:
        runner.run(
            _serve(
                port=int(sys.argv[1]),
                target=int(sys.argv[2]),
                milliseconds=float(sys.argv[3]),
                rate=float(sys.argv[4]) if len(sys.argv) > 4 else 0.0,
            )
        )
