"""Real hosts' names on this machine: servers of aiohttp, and a resolver that leads to them."""

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


class Names(AbstractResolver):
    """Resolves hosts to ports of the loopback; `*` stands for all others."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._ports.get(host.rstrip("."), self._ports.get("*"))
        if found is None:
            raise OSError(f"there is no {host}")
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
        """Nothing is held."""


def session(
    ports: Mapping[str, int] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **kwargs: object,
) -> aiohttp.ClientSession:
    """Returns a session for which the hosts are where the ports say."""
    connector = aiohttp.TCPConnector(
        limit=0, resolver=Names(ports) if ports else None, ssl=ssl_context or True
    )
    return aiohttp.ClientSession(connector=connector, **kwargs)  # type: ignore[arg-type]


async def reroute(client: HttpClient, new: aiohttp.ClientSession) -> None:
    """Gives a client, made from a configuration, another session with the same headers."""
    new.headers.update(client.session.headers)
    await client.session.close()
    client.session = new


@dataclass(frozen=True)
class Seen:
    """A request that a server of ours received."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, request: web.BaseRequest) -> Seen:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return cls(request.method, request.host, path, query, headers)


@dataclass
class Catcher:
    """A server under any name, that notes what it is sent, and answers every GET the same."""

    seen: list[Seen] = field(default_factory=list)
    body: bytes = b"caught"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen.of(request))
        return web.Response(body=self.body, content_type="application/octet-stream")

    def assert_never_sent(self, secret: str) -> None:
        assert self.seen, "nothing was sent here at all"
        for request in self.seen:
            assert secret not in f"{request.path}?{request.query} {dict(request.headers)}"


@asynccontextmanager
async def catching(ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[Catcher]:
    catcher = Catcher()
    async with served(catcher.answer, ssl_context) as catcher.port:
        yield catcher


@asynccontextmanager
async def served(handler: object, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serves a handler on a free port of the loopback, and gives the port."""
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
class Speaker:
    """A server that says what it was told to, whether that is HTTP or not."""

    url: str
    heads: list[bytes] = field(default_factory=list)
    """The requests, without bodies."""


@asynccontextmanager
async def speaking(*answers: bytes) -> AsyncIterator[Speaker]:
    """Answers each connection with the next of these bytes, and hangs up; the last one stays."""
    speaker = Speaker("")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            speaker.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers[min(len(speaker.heads), len(answers)) - 1])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        speaker.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield speaker
