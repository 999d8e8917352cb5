"""An HTTP host that refuses requests beyond a number of connections, or for a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite

DATA = b"data" * 64


@dataclass
class LimitedHost:
    """The behaviour of the host, and the requests so far."""

    status: int | None = 429
    """Status of refusals. None closes the connection."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of refusals."""

    limit: int = 4
    """Number of requests that are answered at the same time."""

    delay: float = 0.02
    """Seconds until a response."""

    forbidden: frozenset[str] = frozenset()
    """Paths that are answered with 403."""

    lingers: bool = False
    """Whether a request counts for a time after the response has arrived."""

    data: bytes = DATA
    """The content of each file."""

    url: str = ""
    active: int = 0
    refused: int = 0
    served: int = 0
    paths: list[str] = field(default_factory=list)
    """The path of each request."""

    def href(self, name: str) -> str:
        """Return the href of a file."""
        return f"{self.url}/{name}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer or refuse a request."""
        self.paths.append(request.path)
        if request.path in self.forbidden:
            return web.Response(status=403)
        if self.active >= self.limit:
            self.refused += 1
            if self.status is None:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=self.status or 503, headers=self.headers)
        self.active += 1
        try:
            return await self.send(request)
        finally:
            self.active -= 1

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the file or the requested range."""
        await asyncio.sleep(self.delay)
        size = len(self.data)
        first, end, status = 0, size, 200
        headers = {"ETag": '"v"', "Accept-Ranges": "bytes"}
        if "Range" in request.headers:
            first, end = request.http_range.start, request.http_range.stop or size
            status, headers["Content-Range"] = 206, f"bytes {first}-{end - 1}/{size}"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = end - first
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for start in range(first, end, 1 << 20):
            await response.write(self.data[start : min(end, start + (1 << 20))])
            if start + (1 << 20) < end or self.lingers:
                await asyncio.sleep(self.delay)
        self.served += 1
        return response


@asynccontextmanager
async def limited_host(host: LimitedHost) -> AsyncIterator[LimitedHost]:
    """Serve a host on loopback.

    Args:
        host: The behaviour.
    """
    app = web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    runner = AppRunner(app)
    await runner.setup()
    try:
        await TCPSite(runner, "127.0.0.1", 0).start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await runner.cleanup()
