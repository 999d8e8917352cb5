"""Proxies of sessions and of the environment."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from stac_asset.testing import Origin, Status
from tests.support.client_reads import read_bytes
from tests.support.http_sessions import client_with_session

SECRET = "pl4nt3d-s3cr3t"


class RecordingProxy:
    """A proxy that responds for all hosts and redirects from `first.invalid` to another host."""

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
async def proxy() -> AsyncIterator[RecordingProxy]:
    """Run a proxy."""
    running = RecordingProxy()
    server = await asyncio.start_server(running.answer, "127.0.0.1")
    async with server:
        running.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield running


# aiohttp deprecates `BasicAuth` and `proxy_auth`, but callers still use both.
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("proxy_source", ["proxy", "user", "auth", "environment"])
async def test_redirect_to_other_origin_uses_proxy_of_session(
    proxy: RecordingProxy, proxy_source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers of the session and logins from `.netrc` are not sent to the second host."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine second.invalid login user password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("no_proxy", "")
    user = proxy.url.with_user("us3r").with_password("pa55")
    settings: dict[str, Any] = {"headers": {"X-Api-Key": SECRET}}
    if proxy_source == "proxy":
        settings["proxy"] = proxy.url
    elif proxy_source == "user":
        settings["proxy"] = str(user)
    elif proxy_source == "auth":
        settings |= {"proxy": proxy.url, "proxy_auth": aiohttp.BasicAuth("us3r", "pa55")}
    else:
        monkeypatch.setenv("http_proxy", str(user))
        settings["trust_env"] = True
    async with client_with_session(**settings) as client:
        assert await read_bytes(client, "http://first.invalid/a.tif") == b"pixels"
    first, second = proxy.heads
    assert first.startswith("GET http://first.invalid/a.tif ")
    assert second.startswith("GET http://second.invalid/b.tif ")
    assert SECRET in first
    assert SECRET not in second
    assert "\nAuthorization:" not in second
    basic = base64.b64encode(b"us3r:pa55").decode()
    for head in proxy.heads:
        assert (f"Proxy-Authorization: Basic {basic}" in head) is (proxy_source != "proxy")


async def test_no_proxy_host_is_requested_directly(
    origin: Origin, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", str(proxy.url))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Origin() as other:
        origin.fault("/a.tif", Status(302, headers={"Location": other.href("/b.tif")}))
        async with client_with_session(trust_env=True) as client:
            assert await read_bytes(client, origin.href("/a.tif")) == other.content("/b.tif")
    assert proxy.heads == []
