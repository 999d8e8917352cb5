"""Local servers with real host names: aiohttp servers, and a resolver for loopback ports."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from stac_asset import HttpClient


class LoopbackResolver(AbstractResolver):
    """Resolver that maps host names to loopback ports. `*` matches all other names."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._ports.get(host.rstrip("."), self._ports.get("*"))
        if found is None:
            raise OSError(f"no port is configured for {host}")
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=found,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Return immediately, because the resolver has no resources."""


def loopback_session(
    ports: Mapping[str, int] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **kwargs: object,
) -> aiohttp.ClientSession:
    """Return a session that connects to loopback ports.

    Args:
        ports: Ports by host name. `*` matches all other names.
        ssl_context: The trusted certificates.
        kwargs: Further arguments of `aiohttp.ClientSession`.
    """
    connector = aiohttp.TCPConnector(
        limit=0, resolver=LoopbackResolver(ports) if ports else None, ssl=ssl_context or True
    )
    return aiohttp.ClientSession(connector=connector, **kwargs)  # type: ignore[arg-type]


async def replace_session(client: HttpClient, new: aiohttp.ClientSession) -> None:
    """Replace the session of a client and keep the headers of the previous session.

    Args:
        client: The client. Its previous session is closed.
        new: The new session.
    """
    new.headers.update(client.session.headers)
    await client.session.close()
    client.session = new


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that a test server received."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Header values by lower-case name."""

    @classmethod
    def of(cls, request: web.BaseRequest) -> ReceivedRequest:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return cls(request.method, request.host, path, query, headers)


def redirect(location: str) -> web.Response:
    """Return a response that redirects the client with status 302."""
    return web.Response(status=302, headers={"Location": location})


@dataclass
class RecordingServer:
    """A server that records all requests and sends the same body in every response.

    Attributes:
        seen: The received requests.
        body: The body of every response.
    """

    seen: list[ReceivedRequest] = field(default_factory=list)
    body: bytes = b"caught"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(ReceivedRequest.of(request))
        return web.Response(body=self.body, content_type="application/octet-stream")

    def assert_never_sent(self, secret: str) -> None:
        """Assert that requests arrived without a secret."""
        assert self.seen, "the server received no request"
        for request in self.seen:
            assert secret not in f"{request.path}?{request.query} {dict(request.headers)}"


@asynccontextmanager
async def recording_server(
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[RecordingServer]:
    """Run a recording server."""
    server = RecordingServer()
    async with serve_handler(server.answer, ssl_context) as server.port:
        yield server


@asynccontextmanager
async def serve_handler(
    handler: object, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve a request handler on a free loopback port, and yield the port."""
    server = web.Server(handler, access_log=None)  # type: ignore[arg-type]
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass
class RawServer:
    """A server that sends given bytes, valid HTTP or not.

    Attributes:
        heads: The received requests, without bodies.
    """

    url: str
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def raw_server(*answers: bytes) -> AsyncIterator[RawServer]:
    """Run a server that sends raw bytes and closes each connection.

    Args:
        answers: The bytes for each connection in order. The last value is repeated.
    """
    raw = RawServer("")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            raw.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers[min(len(raw.heads), len(answers)) - 1])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield raw
