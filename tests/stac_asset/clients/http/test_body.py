"""Large bodies that are received without aiohttp's parser, on both loops.

They arrive in buffers over HTTP and TLS, and in pipes over HTTP.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import uvloop
from yarl import URL

from stac_asset import Config, download_file
from stac_asset.clients import HttpClient
from stac_asset.clients.http.body import MIN_DIRECT
from stac_asset.errors import ConnectionFailedError, TruncatedError
from stac_asset.pipes import Chunk, PipedBytes
from stac_asset.testing import Chunked, Gzip, Origin, Redirect, Reset, Stall, Truncate
from stac_asset.transfer.interface import Request, Response
from tests.support.files import hidden_files
from tests.support.forward_proxy import forward_proxy

MIB = 1024 * 1024
SIZE = 4 * MIB + 17

Run = Callable[[Coroutine[Any, Any, None]], None]


@dataclass
class Place:
    """An origin, the event loop of the client, and whether bodies arrive in pipes if possible."""

    origin: Origin
    run: Run
    is_piped: bool

    def put(self, path: str = "/a.tif", size: int = SIZE) -> str:
        return self.origin.put(path, size=size)

    async def read(self, client: HttpClient, request: Request) -> tuple[bytes, bool]:
        return await read(client, request, self.is_piped)


@pytest.fixture(scope="module")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    """Return the TLS context of a server at 127.0.0.1, which clients trust."""
    authority = trustme.CA()
    trusted = tmp_path_factory.mktemp("certificates") / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(trusted))
        yield context


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Return a function that runs a coroutine in an event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run


@pytest.fixture(params=["http", "http-pipes", "https", "https-pipes"])
def place(
    request: pytest.FixtureRequest, run: Run, server_context: ssl.SSLContext
) -> Iterator[Place]:
    """Run an origin over HTTP or TLS."""
    scheme, _, pipes = request.param.partition("-")
    with Origin(ssl_context=server_context if scheme == "https" else None) as origin:
        yield Place(origin, run, bool(pipes))


def config(**fields: Any) -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=1, **fields)


@asynccontextmanager
async def new_client() -> AsyncIterator[HttpClient]:
    client = await HttpClient.from_config(config())
    try:
        yield client
    finally:
        await client.close()


def request_for(href: str, **fields: Any) -> Request:
    return Request(URL(href, encoded=True), watched=True, accepts_views=True, **fields)


def chunks_of(response: Response, is_piped: bool) -> AsyncIterator[Chunk]:
    return response.piped_chunks or response.chunks if is_piped else response.chunks


async def read(client: HttpClient, request: Request, is_piped: bool) -> tuple[bytes, bool]:
    """Return the body, and whether a part of the body was received without the parser."""
    received, is_direct = bytearray(), False
    async with client.fetch(request) as response:
        async for chunk in chunks_of(response, is_piped):
            is_direct |= isinstance(chunk, memoryview | PipedBytes)
            before = bytes(chunk) if isinstance(chunk, memoryview) else b""
            for _ in range(3):
                await asyncio.sleep(0)
            if isinstance(chunk, memoryview):
                assert chunk == before, "the chunk changed before the next chunk was requested"
            size, content = len(chunk), bytes(chunk)
            assert len(content) == size
            received += content
    return bytes(received), is_direct


def test_large_bodies_share_a_connection(place: Place) -> None:
    hrefs = [place.put(f"/{number}.tif") for number in range(3)]

    async def run() -> None:
        async with new_client() as client:
            for number, href in enumerate(hrefs):
                content = place.origin.content(f"/{number}.tif")
                assert await place.read(client, request_for(href)) == (content, True)

    place.run(run())
    assert place.origin.connections == 1


def test_other_bodies_are_read_by_aiohttp(place: Place) -> None:
    large, small = place.put(), place.put("/small.tif", MIN_DIRECT - 1)
    place.origin.fault("/chunked.tif", Chunked(), times=0)
    place.origin.fault("/gzip.tif", Gzip(force=True), times=0)

    async def run() -> None:
        async with new_client() as client:
            for href in (small, place.put("/chunked.tif"), place.put("/gzip.tif")):
                assert not (await place.read(client, request_for(href)))[1]
            whole = Request(URL(large), watched=True)
            assert await place.read(client, whole) == (
                place.origin.content("/a.tif"),
                False,
            )
        context = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        async with aiohttp.ClientSession(connector=context, trust_env=True) as session:
            # The timeouts of a session that the user created are those of aiohttp's protocol.
            body = await place.read(HttpClient(session), request_for(large))
            assert body == (place.origin.content("/a.tif"), False)

    place.run(run())


@pytest.mark.parametrize("after", [0, 1, MIN_DIRECT, 3 * MIB, SIZE - 1])
def test_truncated_body_yields_received_bytes_and_fails(place: Place, after: int) -> None:
    href = place.put()
    place.origin.fault("/a.tif", Truncate(after))

    async def run() -> None:
        async with new_client() as client:
            received = bytearray()

            async def receive() -> None:
                async with client.fetch(request_for(href)) as response:
                    async for chunk in chunks_of(response, place.is_piped):
                        received.extend(bytes(chunk))

            with pytest.raises(TruncatedError, match="ended before its announced length"):
                await receive()
            assert received == place.origin.content("/a.tif")[:after]
            assert (await place.read(client, request_for(href)))[0] == place.origin.content(
                "/a.tif"
            )

    place.run(run())


@pytest.mark.parametrize("after", [0, 2 * MIB, SIZE - 1])
def test_reset_connection_fails(place: Place, after: int) -> None:
    href = place.put()
    place.origin.fault("/a.tif", Reset(after))

    async def run() -> None:
        async with new_client() as client:
            with pytest.raises((TruncatedError, ConnectionFailedError)):
                await place.read(client, request_for(href))
            assert (await place.read(client, request_for(href)))[0] == place.origin.content(
                "/a.tif"
            )

    place.run(run())


def test_cancelled_body_ends_the_request(place: Place) -> None:
    href = place.put()
    place.origin.fault("/a.tif", Stall(after=2 * MIB, seconds=600))

    async def run() -> None:
        async with new_client() as client:
            started, received = asyncio.Event(), bytearray()

            async def receive() -> None:
                async with client.fetch(request_for(href)) as response:
                    async for chunk in chunks_of(response, place.is_piped):
                        received.extend(bytes(chunk))
                        if len(received) >= 2 * MIB:
                            started.set()

            receiving = asyncio.create_task(receive())
            await started.wait()
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            assert received == place.origin.content("/a.tif")[: 2 * MIB]
            while place.origin.in_flight:
                await asyncio.sleep(0.01)
            assert (await place.read(client, request_for(href)))[0] == place.origin.content(
                "/a.tif"
            )
        assert place.origin.connections == 2

    place.run(run())


def test_body_that_is_left_early_is_closed(place: Place) -> None:
    href = place.put(size=64 * MIB)

    async def run() -> None:
        async with new_client() as client:
            for _ in range(3):
                async with client.fetch(request_for(href)) as response:
                    async for _ in chunks_of(response, place.is_piped):
                        break
            while place.origin.in_flight:
                await asyncio.sleep(0.01)

    place.run(run())
    assert place.origin.bytes_sent < 3 * 64 * MIB


def test_byte_range_and_redirect_are_received(place: Place) -> None:
    href = place.put()
    place.origin.fault("/from.tif", Redirect("/a.tif"), times=0)
    content = place.origin.content("/a.tif")

    async def run() -> None:
        async with new_client() as client:
            async with client.fetch(request_for(href)) as response:
                validator = response.validator
            part = {"offset": MIB, "validator": validator}
            body = await place.read(client, request_for(href, end=3 * MIB, **part))
            assert body == (content[MIB : 3 * MIB], True)
            redirected = request_for(place.origin.href("/from.tif"), **part)
            assert await place.read(client, redirected) == (content[MIB:], True)

    place.run(run())


def test_bodies_arrive_through_a_proxy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    href = place.put()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def run() -> None:
        async with forward_proxy() as proxy:
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, proxy.url)
            async with new_client() as client:
                for _ in range(2):
                    body = await place.read(client, request_for(href))
                    assert body == (place.origin.content("/a.tif"), True)
            assert proxy.heads

    place.run(run())


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 1000, b"x" * MIB, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwrong!"],
    ids=["zeros", "large", "response"],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["together", "late"])
@pytest.mark.parametrize("is_piped", [False, True], ids=["buffers", "pipes"])
def test_connection_with_excess_bytes_is_not_reused(
    run: Run, garbage: bytes, is_late: bool, is_piped: bool
) -> None:
    """Excess bytes are never part of the file, nor the response to the next request."""
    data = bytes(range(256)) * (SIZE // 256)
    connections = 0
    received, closed = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                writer.write(head + data)
                if is_late:
                    await received.wait()
                writer.write(garbage)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
            closed.set()

    async def download() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1")
        async with server, new_client() as client:
            port = server.sockets[0].getsockname()[1]
            for _ in range(3):
                href = f"http://127.0.0.1:{port}/a.tif"
                body, _ = await read(client, request_for(href), is_piped)
                assert body == data
                if is_late:
                    received.set()
                    await closed.wait()
                    received.clear()
                    closed.clear()
        assert connections == 3

    run(download())


@pytest.mark.parametrize(
    "fault",
    [Truncate(MIN_DIRECT + 1), Truncate(SIZE - 1), Reset(2 * MIB), Stall(2 * MIB, 600)],
    ids=["early-end", "late-end", "reset", "stall"],
)
def test_interrupted_file_is_resumed(place: Place, tmp_path: Path, fault: Any) -> None:
    href = place.put()
    place.origin.fault("/a.tif", fault)
    short = config(http_read_timeout=0.5)
    place.run(download_file(href, tmp_path / "a.tif", short))
    assert (tmp_path / "a.tif").read_bytes() == place.origin.content("/a.tif")
    first, second = place.origin.gets()
    assert first.range is None
    assert second.range is not None
    assert second.body_sent < SIZE
    assert hidden_files(tmp_path) == []


def test_many_large_files_are_received_at_once(place: Place, tmp_path: Path) -> None:
    hrefs = [place.put(f"/{number}.tif", SIZE + number) for number in range(12)]

    async def run() -> None:
        save = partial(download_file, config=config(write_checksums=True))
        await asyncio.gather(
            *(save(href, tmp_path / f"{number}.tif") for number, href in enumerate(hrefs))
        )

    place.run(run())
    for number in range(12):
        content = place.origin.content(f"/{number}.tif")
        assert (tmp_path / f"{number}.tif").read_bytes() == content
