"""An origin of which a test decides every byte: for answers that no server of ours would give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Asked:
    """One request."""

    target: str
    headers: Mapping[str, str]

    def span(self, size: int) -> tuple[int, int] | None:
        """Returns the first byte that it asks for, and the one after the last, if it asks so."""
        if "range" not in self.headers:
            return None
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else size


Answer: TypeAlias = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawOrigin:
    """A server that closes each connection after one answer."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def wholes(self) -> int:
        """How many requests were for the whole file."""
        return sum("range" not in asked.headers for asked in self.asked)


def head(status: int, length: int | None = None, **headers: str) -> bytes:
    """Returns a status line and headers; without a length, the body is in chunks."""
    lines = [f"HTTP/1.1 {status} Said", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Returns bytes as a chunk; none are the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[RawOrigin]:
    """Serves whatever a function writes."""
    origin, running = RawOrigin(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines if line)
            asked = Asked(first.split()[1], {name.lower(): value for name, value in pairs})
            origin.asked.append(asked)
            await answer(asked, writer)
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
