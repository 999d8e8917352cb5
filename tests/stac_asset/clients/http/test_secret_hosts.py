"""Hosts that receive OAuth2 tokens and configured headers."""

from __future__ import annotations

from typing import Any

import pytest

from stac_asset import Config, HttpClient
from stac_asset.clients import Clients
from stac_asset.errors import ConfigError, TokenError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Redirect
from tests.stac_asset.clients.http.conftest import MakeConfig
from tests.support.client_reads import read_bytes
from tests.support.loopback import loopback_session, recording_server, replace_session
from tests.support.oauth2_server import (
    CLIENT_CREDENTIALS,
    DEVICE_CODES,
    USER_PASSWORD,
    OAuth2Server,
)


@pytest.mark.parametrize("grant", [CLIENT_CREDENTIALS, USER_PASSWORD, DEVICE_CODES])
async def test_grant_requires_hosts(grant: dict[str, Any], make_config: MakeConfig) -> None:
    config = make_config(grant, oauth2_hosts=[])
    with pytest.raises(ConfigError, match="also needs `oauth2_hosts`"):
        config.validate()
    with pytest.raises(ConfigError, match="oauth2_hosts"):
        await HttpClient.from_config(config)


@pytest.mark.parametrize("field", ["oauth2_hosts", "http_headers_hosts"])
@pytest.mark.parametrize(
    "host", ["", "*", "*.", "a/b", "https://a.b/", "a.b:x", "a b", "a*.b", "[x]"]
)
def test_invalid_host_pattern_is_a_config_error(field: str, host: str) -> None:
    with pytest.raises(ConfigError, match=f"`{field}`: .* is not a host pattern"):
        Config(**{field: [host]}).validate()  # type: ignore[arg-type]


SIMILAR_URLS = [
    "http://data.example.com.evil.example/a.tif",
    "http://evildata.example.com/a.tif",
    "http://example.com/a.tif",
    "http://data.example.org/a.tif",
    "http://data.example.com:8080/a.tif",
    "http://data.example.com@evil.example/a.tif",
    "http://evil.example/data.example.com",
    "http://files.example.net/a.tif",
]


HOSTS = ["http://data.example.com", "http://*.files.example.net", "other.example.com"]


async def test_similar_hosts_receive_no_token(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    config = make_config(CLIENT_CREDENTIALS, oauth2_hosts=HOSTS)
    async with recording_server() as recorder:
        async with await HttpClient.from_config(config) as client:
            await replace_session(client, loopback_session({"*": recorder.port}))
            for href in (*SIMILAR_URLS, "http://other.example.com/a.tif"):
                await read_bytes(client, href)
            assert not server.forms, "no request required a token"
            for href in ("http://data.example.com/", "http://DATA.example.com./a"):
                await read_bytes(client, href)
            await read_bytes(client, "http://a.b.files.example.net/a")
        sent = [request.headers.get("authorization") for request in recorder.seen]
        others = len(SIMILAR_URLS) + 1
        assert all(header is None or "Basic" in header for header in sent[:others])
        assert sent[others:] == ["Bearer acc3ss-1"] * 3


async def test_redirect_keeps_token_for_configured_hosts_only(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    """Copernicus redirects from the catalogue to another host that requires the token too."""
    async with recording_server() as other:
        with Origin() as first:
            first.fault("/a", Redirect(f"{server.url}/a.tif"))
            first.fault("/b", Redirect(f"{other.url}/b.tif"))
            config = make_config(CLIENT_CREDENTIALS, oauth2_hosts=[first.url, server.url])
            async with await HttpClient.from_config(config) as client:
                assert await read_bytes(client, first.href("/a")) == b"pixels"
                assert await read_bytes(client, first.href("/b")) == b"caught"
            assert {request.headers.get("authorization") for request in first.gets()} == {
                "Bearer acc3ss-1"
            }
        other.assert_never_sent("acc3ss")


async def test_token_request_does_not_follow_redirect(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    async with recording_server() as other:
        with Origin() as endpoint:
            endpoint.fault("/token", Redirect(f"{other.url}/token", status=307), times=0)
            config = make_config(CLIENT_CREDENTIALS, oauth2_token_url=endpoint.href("/token"))
            async with await HttpClient.from_config(config) as client:
                with pytest.raises(TokenError, match="the endpoint redirects the request"):
                    await read_bytes(client, f"{server.url}/a.tif")
        assert not other.seen


async def test_headers_are_sent_to_configured_hosts_only() -> None:
    config = Config(http_headers={"X-Api-Key": "s3cr3t"}, http_headers_hosts=HOSTS)
    async with recording_server() as recorder, await HttpClient.from_config(config) as client:
        await replace_session(client, loopback_session({"*": recorder.port}))
        for href in (*SIMILAR_URLS, "http://other.example.com/a.tif"):
            await read_bytes(client, href)
        recorder.assert_never_sent("s3cr3t")
        recorder.seen.clear()
        await read_bytes(client, "http://data.example.com/a.tif")
        assert recorder.seen[0].headers["x-api-key"] == "s3cr3t"


async def test_headers_without_hosts_are_sent_to_origin_of_href() -> None:
    async with recording_server() as other:
        with Origin() as first:
            first.fault("/b", Redirect(f"{other.url}/b.tif"))
            config = Config(http_headers={"X-Api-Key": "s3cr3t"})
            async with await HttpClient.from_config(config) as client:
                await read_bytes(client, first.href("/a"))
                await read_bytes(client, first.href("/b"))
            assert {request.headers["x-api-key"] for request in first.gets()} == {"s3cr3t"}
        other.assert_never_sent("s3cr3t")


async def test_token_replaces_authorization_header(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    headers = {"Authorization": "Basic x", "X-Api-Key": "key"}
    for hosts in ([], [server.url]):
        config = make_config(CLIENT_CREDENTIALS, http_headers=headers, http_headers_hosts=hosts)
        async with await HttpClient.from_config(config) as client:
            assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
        assert server.files[-1][0].headers["x-api-key"] == "key"


async def read_with_headers(href: str, *hosts: str) -> list[str]:
    """Read an href with configured headers for hosts, and return the notices."""
    config = Config(http_headers={"Authorization": "Bearer s3same"}, http_headers_hosts=list(hosts))
    with collect_notices() as notices:
        async with Clients(config) as clients:
            await read_bytes(await clients.get_client(href), href)
    return notices.lines()


async def test_withheld_headers_are_reported_with_the_origin(origin: Origin) -> None:
    origin.put("/a.tif", b"data")
    for host in ("127.0.0.1", "https://127.0.0.1", "http://127.0.0.1:1"):
        with_other_scheme, not_sent = await read_with_headers(origin.href("/a.tif"), host)
        assert "The HTTP headers were not sent, because `http_headers_hosts` names" in (
            with_other_scheme
        )
        assert with_other_scheme.endswith(f": {origin.url}")
        assert "no request went to a host in `http_headers_hosts`" in not_sent
    [not_sent] = await read_with_headers(origin.href("/a.tif"), "example.com")
    assert not_sent.endswith(f"Requests went to: {origin.url}")
    assert not any("authorization" in request.headers for request in origin.requests)
    assert await read_with_headers(origin.href("/a.tif"), origin.url, "example.com") == []
    assert origin.requests[-1].headers["authorization"] == "Bearer s3same"


async def test_hosts_without_headers_are_reported() -> None:
    with collect_notices() as notices:
        client = await HttpClient.from_config(Config(http_headers_hosts=["example.com"]))
        await client.close()
    [line] = notices.lines()
    assert line.startswith("`http_headers_hosts` has no effect")
