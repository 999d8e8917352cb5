"""An HTTP proxy that records requests, demands credentials, and resolves all names to loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from yarl import URL

_END = b"\r\n\r\n"


@dataclass
class ForwardProxy:
    """A proxy that forwards requests, and opens tunnels for CONNECT requests.

    Attributes:
        ports: Loopback ports by the port in the request. Other ports are used unchanged.
        authorization: The required value of `Proxy-Authorization`, if any.
        status: Status that the proxy sends instead of forwarding requests, if any.
        reason: The reason phrase of refusals.
        heads: The heads of the requests to the proxy. Bytes in tunnels are not recorded.
    """

    ports: dict[int, int] = field(default_factory=dict)
    authorization: str | None = None
    status: int | None = None
    reason: str = "Refused"
    heads: list[str] = field(default_factory=list)
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def with_login(self, user: str, password: str) -> str:
        """Return the URL of the proxy with a user and a password."""
        return str(URL(self.url).with_user(user).with_password(password))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._forward(reader, writer):
                    pass
        finally:
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(_END)).decode()
        self.heads.append(head)
        method, target, _ = head.split("\r\n")[0].split(" ")
        allowed = self.authorization is None or (
            f"\r\nproxy-authorization: {self.authorization}\r\n".lower() in head.lower()
        )
        status = self.status or (200 if allowed else 407)
        if status != 200:
            writer.write(f"HTTP/1.1 {status} {self.reason}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        url = URL(f"//{target}" if method == "CONNECT" else target)
        port = url.port or 80
        upstream, sender = await asyncio.open_connection("127.0.0.1", self.ports.get(port, port))
        self._writers.append(sender)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            lines = [f"{method} {url.raw_path_qs} HTTP/1.1", "Connection: close"]
            lines += [
                line
                for line in head.split("\r\n")[1:]
                if line and not line.lower().startswith(("proxy-", "connection:"))
            ]
            sender.write("\r\n".join(lines).encode() + _END)
        await asyncio.gather(_pipe(reader, sender), _pipe(upstream, writer))
        return False


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(65536):
            target.write(piece)
            await target.drain()
    target.close()


@asynccontextmanager
async def forward_proxy() -> AsyncIterator[ForwardProxy]:
    """Run a proxy on a free loopback port."""
    proxy = ForwardProxy()
    server = await asyncio.start_server(proxy.answer, "127.0.0.1")
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in proxy._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
