"""The server of an origin: sends responses and counts every byte.

This is the only module of the origin that awaits sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http import HttpVersion11, StreamWriter
from multidict import CIMultiDict

from stac_asset.testing.answers import Answer
from stac_asset.testing.received import Ongoing, RequestLog

if sys.platform != "win32":
    import fcntl
    import termios

_CHUNK = 4 * 65536
_SLOW_CHUNK = 16 * 1024
_SLOW_BUFFER = 32 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answer a request."""

Decide = Callable[[str, str, str, Mapping[str, str]], Answer]
"""Return the answer to a method, a decoded path, a query and headers with lower-case names."""


class AbortableServer(web.Server):
    """An aiohttp server that counts connections and can abort all of them."""

    def __init__(self, handler: Handler) -> None:
        """Create a server.

        Args:
            handler: Answers a request.
        """
        super().__init__(handler, handler_cancellation=True, access_log=None)
        self.accepted = 0
        self._transports: dict[object, asyncio.Transport] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and store the transport."""
        super().connection_made(handler, transport)
        self.accepted += 1
        self._transports[handler] = transport

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Remove the transport of a closed connection."""
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)

    async def abort(self) -> None:
        """Abort all connections and the responses in progress."""
        for transport in list(self._transports.values()):
            transport.abort()
        for _ in range(200):
            if not self.connections:
                return
            await asyncio.sleep(0.005)


class Server(AbortableServer):
    """The server of an origin."""

    def __init__(self, decide: Decide, log: RequestLog, rate: float | None, latency: float) -> None:
        """Create a server.

        Args:
            decide: Returns the answer to a request.
            log: Receives the requests.
            rate: Maximum bytes per second of a connection. None means no limit.
            latency: Seconds of delay before every response.
        """
        super().__init__(self._handle)
        self._decide, self._log, self._rate, self._latency = decide, log, rate, latency

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and make its buffers small if the rate is limited."""
        super().connection_made(handler, transport)
        if self._rate is not None:
            _shrink(transport)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, query = request.raw_path.partition("?")
        peer = request.transport.get_extra_info("peername") if request.transport else None
        ongoing = Ongoing(
            method=request.method,
            path=unquote(raw_path),
            query=query,
            headers={
                name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers
            },
            peer=f"{peer[0]}:{peer[1]}" if peer else "",
        )
        self._log.begin(ongoing)
        try:
            answer = self._decide(ongoing.method, ongoing.path, query, ongoing.headers)
            return await self._respond(request, answer, ongoing)
        finally:
            self._log.finish(ongoing)

    async def _respond(
        self, request: web.BaseRequest, answer: Answer, ongoing: Ongoing
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=CIMultiDict(answer.headers))
        await asyncio.sleep(self._latency + answer.delay)
        transport = request.transport
        if transport is None:
            return response
        if answer.silent:
            reset(transport)
            return response
        if answer.length is not None:
            response.content_length = answer.length
        elif request.version < HttpVersion11:
            response.force_close()
        ongoing.status = answer.status
        try:
            writer = await response.prepare(request)
            assert isinstance(writer, StreamWriter)
            if answer.ending != "keep":
                response.force_close()  # After the headers, so that they do not announce the close.
            await self._send_body(writer, transport, answer, ongoing)
            if answer.ending == "keep":
                await response.write_eof()
            elif answer.ending == "close":
                transport.close()
            else:
                await _delivered(transport)
                reset(transport)
        except ConnectionError:
            pass  # The client has closed the connection.
        return response

    async def _send_body(
        self, writer: StreamWriter, transport: asyncio.Transport, answer: Answer, ongoing: Ongoing
    ) -> None:
        rates = [rate for rate in (self._rate, answer.rate) if rate is not None]
        rate = min(rates, default=None)
        chunk = _CHUNK
        if rate is not None:
            chunk = int(min(max(rate / 20, 1), _SLOW_CHUNK))
            _shrink(transport)
        clock = asyncio.get_running_loop().time
        sent, began = 0, clock()
        for stop, pause in (*answer.pauses, (answer.send, 0.0)):
            for piece in answer.source.pieces(answer.start + sent, answer.start + stop, chunk):
                sent += len(piece)
                # Sleep even if no delay is due, so that other responses can proceed.
                due = began + sent / rate - clock() if rate is not None else 0.0
                await asyncio.sleep(max(due, 0.0))
                await _hand_over(writer, transport, piece, ongoing)
            if pause:
                await asyncio.sleep(pause)
                began += pause


async def _hand_over(
    writer: StreamWriter, transport: asyncio.Transport, piece: bytes, ongoing: Ongoing
) -> None:
    """Write a chunk, wait until the socket has the chunk, and count the bytes taken.

    A broken transport does not report how many bytes it still held. Therefore its buffer is checked
    after each progress: a limit of one byte less than the rest makes `drain` return at the next
    progress. The buffer of a TLS transport holds ciphertext, so there the whole chunk is counted.
    """
    before = ongoing.body_sent
    ongoing.body_sent = before + len(piece)
    try:
        await writer.write(piece, drain=False)
        if transport.is_closing():  # The transport closes instead of raising an error.
            raise ConnectionResetError("the client has closed the connection")
    except ConnectionError:
        ongoing.body_sent = before
        raise
    if transport.get_extra_info("sslcontext") is not None:
        await writer.drain()
        return
    while left := transport.get_write_buffer_size():
        ongoing.body_sent = before + max(len(piece) - left, 0)
        transport.set_write_buffer_limits(high=left - 1, low=left - 1)
        await writer.drain()
    ongoing.body_sent = before + len(piece)


async def _delivered(transport: asyncio.Transport, seconds: float = 5.0) -> None:
    """Wait until the client's kernel has received the sent bytes, which a reset would discard."""
    if sys.platform == "win32":
        return
    connection = transport.get_extra_info("socket")
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    with contextlib.suppress(OSError, ValueError):
        while clock() < deadline:
            queued = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
            if not struct.unpack("i", queued)[0]:
                return
            await asyncio.sleep(0.001)


def reset(transport: asyncio.Transport) -> None:
    """Reset a connection (RST).

    Args:
        transport: The transport of the connection.
    """
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _shrink(transport: asyncio.Transport) -> None:
    """Limit the send buffer, so that the kernel holds few unreceived bytes."""
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SLOW_BUFFER)
