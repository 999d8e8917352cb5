"""Cookies that the responses of a redirect chain set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from stac_asset import Config, HttpClient
from tests.support.client_reads import read_bytes
from tests.support.loopback import redirect, serve_handler

BODY = b"pixels"


class Gate:
    """A server that redirects to a path that sets a cookie, and requires this cookie for files.

    Attributes:
        cookies: The received cookies by path, in order.
        login: The URL of the login; by default on this server.
        attributes: Attributes of the cookie.
    """

    def __init__(self) -> None:
        self.cookies: list[tuple[str, str]] = []
        self.login = ""
        self.attributes = "; Path=/"
        self.port = 0
        self.logins = 0

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        cookie = request.headers.get("Cookie", "")
        self.cookies.append((request.path, cookie))
        target = request.rel_url.query.get("to", "")
        if request.path == "/login":
            self.logins += 1
            response = redirect(target)
            response.headers["Set-Cookie"] = f"ok={self.logins}{self.attributes}"
            return response
        if request.path == "/on":
            return redirect(target)
        if "ok=" in cookie:
            return web.Response(body=BODY, content_type="image/tiff")
        login = self.login or f"http://{request.host}"
        return redirect(f"{login}/login?to=http://{request.host}{request.path}")


@asynccontextmanager
async def gate() -> AsyncIterator[Gate]:
    """Run a server that requires a cookie."""
    server = Gate()
    async with serve_handler(server.answer) as server.port:
        yield server


@pytest.fixture
async def client(config: Config) -> AsyncIterator[HttpClient]:
    """Return the default client."""
    async with await HttpClient.from_config(config) as created:
        yield created


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("other_origin_first", [False, True])
async def test_cookie_of_chain_is_sent_back_to_its_origin(
    client: HttpClient, host: str, other_origin_first: bool
) -> None:
    async with gate() as first, gate() as second:
        href = f"{second.url(host)}/a.tif"
        if other_origin_first:
            href = f"{first.url(host)}/on?to={href}"
        assert await read_bytes(client, href) == BODY
        assert second.cookies[-1] == ("/a.tif", "ok=1")
        assert {cookie for _, cookie in first.cookies} <= {""}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_cookie_is_not_sent_to_other_port(client: HttpClient, host: str) -> None:
    """Both servers set cookies. Each receives the own cookie only, also for later files."""
    async with gate() as first, gate() as second:
        for server in (first, second, first):
            assert await read_bytes(client, f"{server.url(host)}/a.tif") == BODY
        second.cookies.clear()
        assert await read_bytes(client, f"{first.url(host)}/on?to={second.url(host)}/b.tif") == BODY
        assert ("/on", "ok=1") in first.cookies
        # The cookies of an earlier chain are not sent after a redirect from another origin.
        assert second.cookies[0] == ("/b.tif", "")


async def test_cookie_of_first_origin_is_sent_on_the_way_back(client: HttpClient) -> None:
    async with gate() as first, gate() as second:
        back = f"{first.url()}/a.tif"
        there = f"{second.url()}/on?to={back}"
        assert await read_bytes(client, f"{first.url()}/login?to={there}") == BODY
        assert first.cookies[-1] == ("/a.tif", "ok=1")
        assert [cookie for _, cookie in second.cookies] == [""]


async def test_trusted_cookie_is_kept_for_later_files(client: HttpClient) -> None:
    async with gate() as server:
        for name in ("a", "b"):
            assert await read_bytes(client, f"{server.url()}/{name}.tif") == BODY
        assert server.logins == 1


async def test_concurrent_chains_use_their_own_cookies(client: HttpClient) -> None:
    async with gate() as server:
        hrefs = [f"{server.url()}/{number}.tif" for number in range(8)]
        await asyncio.gather(*(read_bytes(client, href) for href in hrefs))
        sent = [cookie for path, cookie in server.cookies if path != "/login" and cookie]
        assert len(sent) == len(set(sent)) == 8


async def test_cookie_with_other_path_or_end_is_not_sent(client: HttpClient) -> None:
    for attributes in ("; Path=/private", "; Max-Age=0", "; Domain=example.com", "; Secure"):
        async with gate() as server:
            server.attributes = attributes
            with pytest.raises(Exception, match="redirects"):
                await read_bytes(client, f"{server.url('localhost')}/a.tif")
            assert {cookie for _, cookie in server.cookies} == {""}


async def test_cookies_of_caller_stay_beside_those_of_the_chain() -> None:
    async with gate() as server:
        session = aiohttp.ClientSession(headers={"Cookie": "own=1"})
        async with HttpClient(session) as client:
            assert await read_bytes(client, f"{server.url()}/a.tif") == BODY
        assert server.cookies[-1][1].split("; ") == ["own=1", "ok=1"]
