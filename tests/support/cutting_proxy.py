"""A TCP proxy that closes the first connection early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CuttingProxy:
    """A proxy that forwards responses of a local port, and cuts the first response.

    Attributes:
        requests: The received requests, without bodies.
    """

    def __init__(self, target: int, after: int) -> None:
        self.target, self.left = target, after
        self.requests: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = not self.requests
        upstream, request = await asyncio.open_connection("127.0.0.1", self.target)
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.decode())
        request.write(head)
        try:
            while piece := await upstream.read(65536):
                if cut:
                    piece, self.left = piece[: self.left], self.left - len(piece)
                writer.write(piece)
                await writer.drain()
                if cut and self.left <= 0:
                    break
        finally:
            for stream in (writer, request):
                stream.close()


@asynccontextmanager
async def cutting_proxy(target: int, after: int) -> AsyncIterator[CuttingProxy]:
    """Run a proxy for a local port.

    Args:
        target: The port.
        after: Number of response bytes that the first connection forwards.
    """
    proxy = CuttingProxy(target, after)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
