"""Plain HTTP: which answers are the file, what garbled ones become, limits of time, and proxies."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest
from aiohttp import ClientResponse
from yarl import URL

from prefect_stac_asset.blocks import HttpCredentials
from stac_asset import (
    Config,
    EarthdataClient,
    HttpClient,
    PlanetaryComputerClient,
    S3Client,
    assert_asset_exists,
    download_file,
    open_href,
    read_href,
)
from stac_asset.clients import Client, Clients, Request
from stac_asset.errors import (
    ConnectionFailedError,
    ResponseError,
    SourceError,
    StalledError,
    TransferError,
)
from stac_asset.stac.read import read_stac
from stac_asset.testing import Delay, NoHead, Origin, Slow, Status
from tests.chains import described
from tests.clients.loopback import speaking

SECRET = "pl4nt3d-s3cr3t"


async def read(client: Client, href: str) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href)])


@asynccontextmanager
async def own(**session: Any) -> AsyncIterator[HttpClient]:
    """A client with a session of the caller's."""
    async with HttpClient(aiohttp.ClientSession(**session)) as client:
        yield client


# Answers that are no file


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (201, "response without the file"),
        (204, "no bytes to send"),
        (205, "no bytes to send"),
        (207, "response without the file"),
    ],
)
async def test_success_without_the_file_is_an_error(
    origin: Origin, config: Config, tmp_path: Path, status: int, text: str
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    href = origin.href("/a.tif")
    with pytest.raises(ResponseError, match=rf"{status} .*for {href}: the server .*{text}") as got:
        await download_file(href, tmp_path / "a.tif", config)
    assert not got.value.transient
    assert len(origin.gets()) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_being_prepared_is_asked_for_again(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    preparing = Status(202, retry_after=0, body=b'{"status": "preparing"}')
    origin.fault("/a.tif", preparing, times=2)
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert len(origin.gets()) == 3
    origin.fault("/a.tif", Status(202, retry_after=7), times=0)
    async with own() as client:
        with pytest.raises(ResponseError, match="still preparing the file") as raised:
            await read(client, origin.href("/a.tif"))
        with pytest.raises(ResponseError, match="still preparing the file"):
            await client.assert_href_exists(origin.href("/a.tif"))
    assert (raised.value.transient, raised.value.retry_after) == (True, 7)


async def test_an_answer_from_a_cache_is_the_file(origin: Origin) -> None:
    origin.fault("/a.tif", Status(203, body=b"pixels"))
    async with own() as client:
        assert await read(client, origin.href("/a.tif")) == b"pixels"


@pytest.mark.parametrize("status", [202, 204])
async def test_a_head_that_says_nothing_is_no_file_of_no_bytes(origin: Origin, status: int) -> None:
    request = Request(URL(origin.put("/a.tif", size=1000)))
    origin.fault("/a.tif", Status(status), times=0, method="HEAD")
    async with own() as client:
        assert (await client.stat(request)).size == 1000
        origin.fault("/a.tif", Status(204), times=0)
        assert not await client.href_exists(str(request.url))


# A session that raises for a status by itself


async def test_a_head_may_be_refused_where_the_session_raises_for_status(
    origin: Origin,
) -> None:
    origin.fault("*", NoHead(), times=0)
    origin.remove("/none.tif")
    async with own(raise_for_status=True) as client:
        assert (await client.stat(Request(URL(origin.put("/a.tif", size=10))))).size == 10
        with pytest.raises(FileNotFoundError, match="404"):
            await client.assert_href_exists(origin.href("/none.tif"))


async def test_a_range_may_be_refused_where_the_session_raises_for_status(
    origin: Origin,
) -> None:
    url = URL(origin.put("/a.tif", size=10))
    async with own(raise_for_status=True) as client:
        async with client.fetch(Request(url)) as response:
            validator = response.validator
        async with client.fetch(Request(url, offset=10, validator=validator)) as response:
            assert response.offset == 0
    assert [request.status for request in origin.gets()] == [200, 416, 200]


class Renewed:
    """A credential whose first secret is refused."""

    secret = "old"

    async def headers(self, url: URL) -> Mapping[str, str]:
        return {"X-Api-Key": self.secret}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        self.secret = "new"
        return True

    async def close(self) -> None:
        pass


async def test_a_secret_is_renewed_where_the_session_raises_for_status(
    origin: Origin,
) -> None:
    origin.require("X-Api-Key", "new")
    session = aiohttp.ClientSession(raise_for_status=True)
    async with HttpClient(session, credential=Renewed()) as client:
        assert await read(client, origin.href("/a.tif")) == origin.content("/a.tif")


# Answers that nobody understands


GARBLED = {
    "location": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x?sig=%s%s\r\n\r\n"
    % (SECRET.encode(), b"A" * 9000),
    "cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie session=%s\r\n\r\n" % SECRET.encode(),
    "status line": b"%s\r\n\r\n" % SECRET.encode(),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nSet-Cookie: session=%s\r\n" % SECRET.encode(),
}


@pytest.mark.parametrize("answer", GARBLED.values(), ids=list(GARBLED))
async def test_what_cannot_be_read_is_not_shown_and_may_pass(
    answer: bytes, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config.http_max_attempts = 1
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npixels"
    async with speaking(answer) as server:
        href = f"{server.url}/a.tif"
        with pytest.raises(ConnectionFailedError, match=rf"^{href} cannot be re") as raised:
            await read_href(href, config)
        assert raised.value.transient
        assert SECRET not in described(raised.value) + caplog.text
    # aiohttp asks a second time itself where a connection is closed early.
    async with speaking(answer, answer, good) as server:
        config.http_max_attempts = 3
        await download_file(f"{server.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == b"pixels"


# Limits of time


class Endless(Client):
    """A client that never gets an answer."""

    def claims(self, url: URL) -> bool:
        return True

    async def open_url(self, url: URL, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def consume(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


async def read_document(href: str, config: Config, callers: list[Client]) -> None:
    async with Clients(config, callers) as clients:
        with pytest.raises(SourceError) as raised:
            await read_stac(href, clients, config)
    assert isinstance(raised.value.__cause__, TransferError)
    raise raised.value.__cause__


Reader = Callable[[str, Config, list[Client]], Coroutine[Any, Any, Any]]

READERS: dict[str, Reader] = {
    "read_href": read_href,
    "open_href": lambda href, config, callers: consume(open_href(href, config, callers)),
    "assert_asset_exists": lambda href, config, callers: assert_asset_exists(
        pystac.Asset(href), config, callers
    ),
    "read_stac": read_document,
}


@pytest.fixture(autouse=True)
def _s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 need not look for some, which takes a network."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")


@pytest.fixture
def hurried() -> Config:
    """A configuration that gives an attempt less time than any takes here."""
    return Config(http_client_timeout=0.3, http_max_attempts=1, s3_max_attempts=1)


@pytest.fixture(scope="module")
def slow() -> Iterator[Origin]:
    """An origin that takes its time: minutes for an answer, or for the bytes of one."""
    with Origin() as running:
        running.put("/bytes.tif", size=10_000_000)
        running.fault("/bytes.tif", Slow(20_000), times=0)
        running.fault("*/a.*", Delay(300), times=0)
        yield running


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize("kind", ["http", "caller's session", "s3", "caller's client"])
async def test_an_attempt_to_read_takes_no_longer_than_it_may(
    slow: Origin, hurried: Config, kind: str, reader: Reader
) -> None:
    callers: list[Client] = []
    href = slow.href("/a.json")
    if kind == "s3":
        href, hurried.s3_endpoint_url = "s3://bucket/a.json", slow.url
    elif kind == "caller's session":
        callers = [HttpClient(aiohttp.ClientSession())]
    elif kind == "caller's client":
        callers = [Endless()]
    try:
        with pytest.raises(StalledError, match=r"a\.json took too long"):
            await reader(href, hurried, callers)
    finally:
        for client in callers:
            await client.close()


async def test_a_client_keeps_the_limit_that_it_was_made_with(
    slow: Origin, hurried: Config, tmp_path: Path
) -> None:
    href = slow.href("/a.tif")
    async with await HttpClient.from_config(hurried) as client:
        for asked in (
            read(client, href),
            client.stat(Request(URL(href))),
            client.assert_href_exists(href),
            client.download_href(href, tmp_path / "a.tif"),
        ):
            with pytest.raises(StalledError, match=r"a\.tif took (too long|longer than 0\.3 sec)"):
                await asked
    assert list(tmp_path.iterdir()) == []


async def test_bytes_that_trickle_in_count_as_one_attempt(slow: Origin, hurried: Config) -> None:
    href = slow.href("/bytes.tif")
    async with own() as caller:
        for callers in ([], [caller]):
            with pytest.raises(StalledError, match=r"bytes\.tif took too long"):
                await consume(open_href(href, hurried, [*callers]))
            with pytest.raises(StalledError, match=r"bytes\.tif took too long"):
                await read_href(href, hurried, [*callers])


async def made(kind: str, config: Config) -> Client:
    if kind == "block":
        return await HttpCredentials(hosts=["http://127.0.0.1"], token=SECRET).client(config)  # type: ignore[arg-type]
    classes = {
        "http": HttpClient,
        "earthdata": EarthdataClient,
        "planetary-computer": PlanetaryComputerClient,
        "s3": S3Client,
    }
    return await classes[kind].from_config(config)


@pytest.mark.parametrize("kind", ["http", "earthdata", "planetary-computer", "s3", "block"])
async def test_download_href_tries_as_often_as_its_client_was_told(
    origin: Origin, config: Config, tmp_path: Path, kind: str
) -> None:
    config.http_max_attempts = config.s3_max_attempts = 1
    config.s3_endpoint_url, config.earthdata_token = origin.url, "t0ken"
    href = "s3://bucket/a.tif" if kind == "s3" else origin.href("/bucket/a.tif")
    origin.fault("/bucket/a.tif", Status(503), times=2)
    async with await made(kind, config) as client:
        config.http_max_attempts = 3  # Which it does not look at any more.
        with pytest.raises(ResponseError, match="503"):
            await client.download_href(href, tmp_path / "a.tif")
        assert len(origin.gets()) == 1
        origin.heal()
        await client.download_href(href, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/bucket/a.tif")


# Proxies


class Proxy:
    """A proxy that answers for all hosts; that of `first.invalid` redirects to another."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.url = URL()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if "http://first.invalid/" in head:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://second.invalid/b.tif\r\n")
            writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npixels")
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    running = Proxy()
    server = await asyncio.start_server(running.answer, "127.0.0.1")
    async with server:
        running.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield running


# As aiohttp says of `BasicAuth` and `proxy_auth`, which callers go on to use.
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("named", ["proxy", "user", "auth", "environment"])
async def test_a_redirect_to_another_origin_goes_through_the_callers_proxy(
    proxy: Proxy, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As does the first hop. What the session, or a `.netrc`, has for hosts stays with that one."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine second.invalid login user password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("no_proxy", "")
    user = proxy.url.with_user("us3r").with_password("pa55")
    settings: dict[str, Any] = {"headers": {"X-Api-Key": SECRET}}
    if named == "proxy":
        settings["proxy"] = proxy.url
    elif named == "user":
        settings["proxy"] = str(user)
    elif named == "auth":
        settings |= {"proxy": proxy.url, "proxy_auth": aiohttp.BasicAuth("us3r", "pa55")}
    else:
        monkeypatch.setenv("http_proxy", str(user))
        settings["trust_env"] = True
    async with own(**settings) as client:
        assert await read(client, "http://first.invalid/a.tif") == b"pixels"
    first, second = proxy.heads
    assert first.startswith("GET http://first.invalid/a.tif ")
    assert second.startswith("GET http://second.invalid/b.tif ")
    assert SECRET in first
    assert SECRET not in second
    assert "\nAuthorization:" not in second
    basic = base64.b64encode(b"us3r:pa55").decode()
    for head in proxy.heads:
        assert (f"Proxy-Authorization: Basic {basic}" in head) is (named != "proxy")


async def test_a_host_that_the_environment_exempts_from_its_proxy_is_asked_itself(
    origin: Origin, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", str(proxy.url))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Origin() as other:
        origin.fault("/a.tif", Status(302, headers={"Location": other.href("/b.tif")}))
        async with own(trust_env=True) as client:
            assert await read(client, origin.href("/a.tif")) == other.content("/b.tif")
    assert proxy.heads == []
