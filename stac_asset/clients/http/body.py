"""Internal: receives large response bodies directly from the transport.

aiohttp's parser and stream copy each byte of a body twice. If the length of the body is known, no
byte of the body needs a parser. `DirectBody` then replaces the protocol of the connection by a
`BufferedProtocol`, which receives into two buffers: one is filled while the caller writes the
other. The connection returns to aiohttp's pool when all announced bytes have arrived.
`PipedBody` (`piped_body.py`) receives into pipes instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

import aiohttp
from aiohttp import ClientResponse, hdrs
from aiohttp.client_proto import ResponseHandler

from stac_asset.pipes import Chunk, PipedBytes

_BUFFER_SIZE = 512 * 1024
"""Size in bytes of each of the two buffers. Larger buffers save no further processor time."""

_MAX_FREE = 16
"""Maximum number of buffers that are kept for later bodies."""

MIN_DIRECT = 512 * 1024
"""Minimum number of missing bytes for which aiohttp's parser is left out. Smaller bodies do not
arrive faster without the parser."""


_free: list[memoryview] = []
"""Buffers of finished bodies. The memory of a new buffer costs as much as receiving 1 MiB."""


class DirectBody(asyncio.BufferedProtocol):
    """The rest of a body, received without aiohttp's parser.

    Args:
        response: The response. Its body has an announced length.
        transport: The transport of its connection.
        handler: aiohttp's protocol of its connection.
    """

    def __init__(
        self, response: ClientResponse, transport: asyncio.Transport, handler: ResponseHandler
    ) -> None:
        self._response, self._transport, self._handler = response, transport, handler
        self._drained: list[bytes] = []
        """Bytes that aiohttp had received."""
        self._missing = 0
        """Number of bytes of the body that have not arrived."""
        self._filling = self._spare = memoryview(b"")
        self._filled = 0
        """Number of received bytes in `_filling`."""
        self._is_paused = self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, response: ClientResponse) -> Self | None:
        """Take over the connection of a response.

        Args:
            response: The response, whose body was not read.

        Returns:
            The rest of the body, or None if aiohttp must read the body.
        """
        length, connection = response.content_length, response.connection
        if length is None or length < MIN_DIRECT or connection is None:
            return None
        if hdrs.CONTENT_ENCODING in response.headers or hdrs.TRANSFER_ENCODING in response.headers:
            return None
        transport, handler = connection.transport, connection.protocol
        if transport is None or handler is None or transport.is_closing():
            return None
        if length - response.content.total_bytes < MIN_DIRECT:
            return None
        body = cls(response, transport, handler)
        body._start(length)
        return body

    def _start(self, length: int) -> None:
        """Take the bytes that aiohttp has received, and receive all others.

        Args:
            length: Length of the body in bytes.
        """
        content, transport = self._response.content, self._transport
        transport.pause_reading()
        # A read may give the stream more bytes, which aiohttp's parser has held back.
        while content.exception() is None and (data := content.read_nowait()):
            self._drained.append(data)
        self._missing = length - sum(map(len, self._drained))
        if not self._missing or content.exception() is not None or transport.is_closing():
            self._is_lost = True
            return
        transport.pause_reading()
        self._receive()

    def _receive(self) -> None:
        """Receive the missing bytes. The transport is paused."""
        self._filling, self._spare = _buffer(), _buffer()
        self._transport.set_protocol(self)
        self._transport.resume_reading()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the rest of the body. Each chunk is valid until the next chunk is requested.

        Yields:
            A chunk of the body.

        Raises:
            aiohttp.ClientError: The connection ended before the end of the body.
        """
        try:
            while self._drained:
                yield self._drained.pop(0)
            while self._filled or self._missing:
                if self._filled:
                    yield self._take()
                elif self._is_lost:
                    raise self._response.content.exception() or aiohttp.ClientPayloadError()
                else:
                    self._continue()
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        finally:
            self._release()

    def _release(self) -> None:
        """Keep the memory for later bodies, unless bytes can still arrive."""
        self._filled = 0
        if self._spare and (self._is_lost or not self._missing) and len(_free) < _MAX_FREE:
            _free.extend((self._filling, self._spare))

    def _continue(self) -> None:
        """Receive further bytes, after the caller has used all chunks."""

    def _take(self) -> memoryview | PipedBytes:
        """Return the received bytes, and receive further bytes into the other buffer."""
        taken = self._filling[: self._filled]
        self._filling, self._spare = self._spare, self._filling
        self._filled = 0
        if self._is_paused:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return taken

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the memory for the next bytes.

        Args:
            sizehint: Ignored.
        """
        return self._filling[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note bytes that have arrived.

        Args:
            nbytes: Number of bytes in the memory that `get_buffer` returned.
        """
        excess = nbytes - self._missing
        if excess < 0:
            self._missing -= nbytes
            self._filled += nbytes
            if self._filled == len(self._filling):
                self._is_paused = True
                self._transport.pause_reading()
        else:
            self._filled += self._missing
            self._missing = 0
            self._give_back(is_reusable=not excess)
        self._wake()

    def _give_back(self, is_reusable: bool) -> None:
        """Return the connection to aiohttp.

        Args:
            is_reusable: Whether another request may use the connection.
        """
        if not is_reusable:
            self._handler.force_close()
        self._transport.set_protocol(self._handler)
        # The parser of the response expects the rest of the body. Excess bytes that arrive later
        # would fill its stream, which stops the connection. A parser that admits no header refuses
        # them and closes the connection. aiohttp creates a new parser for the next request.
        self._handler.set_response_params(max_line_size=0, max_field_size=0)
        # The end of the body releases the connection. aiohttp decides whether it is reused.
        self._response.content.feed_eof()

    def eof_received(self) -> None:
        """Note that the server sends no further bytes. The transport closes itself."""
        self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection.

        Args:
            exc: The reason, or None if the connection was closed.
        """
        self._is_lost = True
        self._handler.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """Pause the writer of the request."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Resume the writer of the request."""
        self._handler.resume_writing()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _buffer() -> memoryview:
    """Return a free or new buffer with arbitrary content."""
    try:
        return _free.pop()
    except IndexError:
        return memoryview(bytearray(_BUFFER_SIZE))
