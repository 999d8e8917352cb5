"""An HTTP origin with responses that `Origin` cannot send: the test writes the raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class RawRequest:
    """A received request."""

    target: str
    headers: Mapping[str, str]

    def byte_range(self, size: int) -> tuple[int, int] | None:
        """Return the start and end of the requested range, if the request has a range.

        Args:
            size: Size of the file in bytes, which is the end of an open range.
        """
        if "range" not in self.headers:
            return None
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else size


Responder: TypeAlias = Callable[[RawRequest, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawOrigin:
    """A server that closes each connection after a response."""

    url: str = ""
    requests: list[RawRequest] = field(default_factory=list)

    @property
    def full_requests(self) -> int:
        """Number of requests for the whole file."""
        return sum("range" not in request.headers for request in self.requests)


def response_head(status: int, length: int | None = None, **headers: str) -> bytes:
    """Return a status line with headers. Without a length, the body has to be chunked."""
    lines = [f"HTTP/1.1 {status} Reason", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Return bytes in chunked transfer encoding. Empty bytes return the last chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def raw_origin(respond: Responder) -> AsyncIterator[RawOrigin]:
    """Run an origin with responses that a function writes."""
    origin, running = RawOrigin(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines if line)
            request = RawRequest(first.split()[1], {name.lower(): value for name, value in pairs})
            origin.requests.append(request)
            await respond(request, writer)
            await writer.drain()
        writer.close()
        running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield origin
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
