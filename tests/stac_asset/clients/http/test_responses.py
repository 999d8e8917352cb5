"""Responses without the file, invalid HTTP, and sessions that raise for a status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientResponse
from yarl import URL

from stac_asset import Config, HttpClient, download_file, read_href
from stac_asset.clients import Request
from stac_asset.errors import AccessError, ConnectionFailedError, ResponseError
from stac_asset.testing import NoHead, Origin, Status
from tests.support.client_reads import read_bytes
from tests.support.error_chains import described
from tests.support.http_sessions import client_with_session
from tests.support.loopback import raw_server

SECRET = "pl4nt3d-s3cr3t"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (201, "response without the file"),
        (204, "no bytes to send"),
        (205, "no bytes to send"),
        (207, "response without the file"),
    ],
)
async def test_success_status_without_file_is_an_error(
    origin: Origin, config: Config, tmp_path: Path, status: int, text: str
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    href = origin.href("/a.tif")
    with pytest.raises(
        ResponseError, match=rf"{status} .*for {href}: the server .*{text}"
    ) as raised:
        await download_file(href, tmp_path / "a.tif", config)
    assert not raised.value.transient
    assert len(origin.gets()) == 1
    assert list(tmp_path.iterdir()) == []


async def test_status_202_is_retried(origin: Origin, config: Config, tmp_path: Path) -> None:
    preparing = Status(202, retry_after=0, body=b'{"status": "preparing"}')
    origin.fault("/a.tif", preparing, times=2)
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert len(origin.gets()) == 3
    origin.fault("/a.tif", Status(202, retry_after=7), times=0)
    async with client_with_session() as client:
        with pytest.raises(ResponseError, match="still preparing the file") as raised:
            await read_bytes(client, origin.href("/a.tif"))
        with pytest.raises(ResponseError, match="still preparing the file"):
            await client.assert_href_exists(origin.href("/a.tif"))
    assert (raised.value.transient, raised.value.retry_after) == (True, 7)


async def test_status_203_is_accepted(origin: Origin) -> None:
    origin.fault("/a.tif", Status(203, body=b"pixels"))
    async with client_with_session() as client:
        assert await read_bytes(client, origin.href("/a.tif")) == b"pixels"


@pytest.mark.parametrize("status", [202, 204])
async def test_head_without_content_falls_back_to_get(origin: Origin, status: int) -> None:
    request = Request(URL(origin.put("/a.tif", size=1000)))
    origin.fault("/a.tif", Status(status), times=0, method="HEAD")
    async with client_with_session() as client:
        assert (await client.stat(request)).size == 1000
        origin.fault("/a.tif", Status(204), times=0)
        assert not await client.href_exists(str(request.url))


async def test_refused_head_falls_back_to_get_if_session_raises_for_status(
    origin: Origin,
) -> None:
    origin.fault("*", NoHead(), times=0)
    origin.remove("/missing.tif")
    async with client_with_session(raise_for_status=True) as client:
        assert (await client.stat(Request(URL(origin.put("/a.tif", size=10))))).size == 10
        with pytest.raises(FileNotFoundError, match="404"):
            await client.assert_href_exists(origin.href("/missing.tif"))


async def test_refused_range_restarts_if_session_raises_for_status(
    origin: Origin,
) -> None:
    url = URL(origin.put("/a.tif", size=10))
    async with client_with_session(raise_for_status=True) as client:
        async with client.fetch(Request(url)) as response:
            validator = response.validator
        async with client.fetch(Request(url, offset=10, validator=validator)) as response:
            assert response.offset == 0
    assert [request.status for request in origin.gets()] == [200, 416, 200]


class RenewableCredential:
    """A credential with an invalid secret until the first renewal."""

    secret = "old"

    async def headers(self, url: URL) -> Mapping[str, str]:
        return {"X-Api-Key": self.secret}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        self.secret = "new"
        return True

    async def close(self) -> None:
        pass


async def test_credential_is_renewed_if_session_raises_for_status(
    origin: Origin,
) -> None:
    origin.require("X-Api-Key", "new")
    session = aiohttp.ClientSession(raise_for_status=True)
    async with HttpClient(session, credential=RenewableCredential()) as client:
        assert await read_bytes(client, origin.href("/a.tif")) == origin.content("/a.tif")


INVALID_RESPONSES = {
    "location": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x?sig=%s%s\r\n\r\n"
    % (SECRET.encode(), b"A" * 9000),
    "cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie session=%s\r\n\r\n" % SECRET.encode(),
    "status-line": b"%s\r\n\r\n" % SECRET.encode(),
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "partial-head": b"HTTP/1.1 200 OK\r\nSet-Cookie: session=%s\r\n" % SECRET.encode(),
}


@pytest.mark.parametrize("answer", INVALID_RESPONSES.values(), ids=list(INVALID_RESPONSES))
async def test_invalid_response_error_is_transient_and_contains_no_secrets(
    answer: bytes, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config.http_max_attempts = 1
    valid = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npixels"
    async with raw_server(answer) as server:
        href = f"{server.url}/a.tif"
        with pytest.raises(ConnectionFailedError, match=rf"^{href} cannot be re") as raised:
            await read_href(href, config)
        assert raised.value.transient
        assert SECRET not in described(raised.value) + caplog.text
    # aiohttp repeats a request once if the server closes the connection early.
    async with raw_server(answer, answer, valid) as server:
        config.http_max_attempts = 3
        await download_file(f"{server.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == b"pixels"


async def test_reason_phrase_contains_no_secret_of_the_request() -> None:
    """Some servers repeat a refused token or signature in the reason phrase."""
    head = b"HTTP/1.1 403 Token s3cr3t-t0ken and key s1gnature refused\r\n\r\n"
    async with raw_server(head) as server:
        headers = {"Authorization": "Bearer s3cr3t-t0ken"}
        async with client_with_session(headers=headers) as client:
            with pytest.raises(AccessError, match=r"403 Token \*\*\* and key \*\*\* refused"):
                await read_bytes(client, f"{server.url}/a.tif?sig=s1gnature")
