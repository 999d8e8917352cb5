"""Gets bearer tokens from an OAuth2 server by all grants, and keeps them while a run goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import sys
import textwrap
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from stac_asset import Config, HttpClient
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import ConfigError, ResponseForbiddenError, StacAssetError, TokenError
from stac_asset.testing import Origin, Redirect
from stac_asset.transfer.engine import Engine
from stac_asset.types import Candidate, Downloaded, Failed, Transfer
from tests.chains import chain_of
from tests.clients.loopback import catching, reroute, served, session
from tests.clients.oauth2_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    DEVICE,
    PASSWORD,
    USERNAME,
    OAuth2Server,
    oauth2_server,
)

CREDENTIALS = {"oauth2_grant": "client_credentials", "oauth2_client_secret": CLIENT_SECRET}
PASSWORDS = {
    "oauth2_grant": "resource_owner_password_credentials",
    "oauth2_username": USERNAME,
    "oauth2_password": PASSWORD,
}
DEVICES = {"oauth2_grant": "device_code"}

Configure = Callable[..., Config]


@pytest.fixture
async def server() -> AsyncIterator[OAuth2Server]:
    async with oauth2_server() as running:
        yield running


@pytest.fixture
def configure(server: OAuth2Server) -> Configure:
    """Makes configurations for the server, whose retries do not wait long."""

    def config(grant: dict[str, Any], **kwargs: Any) -> Config:
        quick = {"retry_wait": 0.01, "retry_wait_max": 0.05}
        return Config(**{**quick, **server.config, **grant, **kwargs})

    return config


async def read(client: HttpClient, href: str) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href)])


def transfers(server: OAuth2Server, directory: Path, number: int) -> list[Transfer]:
    return [
        Transfer(
            "item 'a'",
            str(index),
            (Candidate(f"{server.url}/{index}.tif", str(directory / f"{index}.tif")),),
            str(directory),
        )
        for index in range(number)
    ]


# The grants


async def test_client_credentials(server: OAuth2Server, configure: Configure) -> None:
    config = configure(CREDENTIALS, oauth2_extra={"scope": "read", "audience": "files"})
    async with await HttpClient.from_config(config) as client:
        reads = await asyncio.gather(*(read(client, f"{server.url}/a.tif") for _ in range(100)))
    assert set(reads) == {b"pixels"}
    assert server.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": "read",
            "audience": "files",
        }
    ]
    assert {seen.headers["authorization"] for seen, _ in server.files} == {"Bearer acc3ss-1"}


async def test_password(server: OAuth2Server, configure: Configure) -> None:
    config = configure(PASSWORDS, oauth2_extra={"totp": "123456"})
    async with await HttpClient.from_config(config) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert server.forms == [
        {
            "grant_type": "password",
            "username": USERNAME,
            "password": PASSWORD,
            "client_id": CLIENT_ID,
            "totp": "123456",
        }
    ]


@pytest.mark.parametrize("pkce", [True, False])
async def test_device_code(
    pkce: bool, server: OAuth2Server, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user is told what to do, once, and the device waits until it is done."""
    server.pending = 3
    async with await HttpClient.from_config(configure(DEVICES, oauth2_pkce=pkce)) as client:
        reads = await asyncio.gather(*(read(client, f"{server.url}/a.tif") for _ in range(10)))
    assert set(reads) == {b"pixels"}
    assert server.grants == [DEVICE] * 4
    assert (server.challenge is not None) is pkce
    assert capsys.readouterr().out.splitlines() == [
        f"Visit {server.url}/activate and enter code ABCD-EFGH to authenticate."
    ]


async def test_a_fault_does_not_end_a_devices_wait(
    server: OAuth2Server, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [(503, {}, None), (503, {}, None)]
    async with await HttpClient.from_config(configure(DEVICES)) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert len(capsys.readouterr().out.splitlines()) == 1


async def test_who_asks_too_often_for_a_device_is_not_at_fault(
    server: OAuth2Server, configure: Configure
) -> None:
    """Some servers say `slow_down` with a 429; the library waits then, for five seconds more."""
    server.faults = [(429, {}, {"error": "slow_down"})]
    config = configure(DEVICES, http_max_attempts=1)
    async with await HttpClient.from_config(config) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"


# A browser tries both addresses of localhost, whatever the machine's resolver says of it.
BROWSER = """
    import contextlib, http.client, sys
    from urllib.parse import urlsplit

    asked = urlsplit(sys.argv[1])
    connection = http.client.HTTPConnection(asked.netloc)
    connection.request("GET", f"{asked.path}?{asked.query}")
    back = urlsplit(connection.getresponse().headers["Location"])
    for address in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(address, back.port)
            connection.request("GET", f"{back.path}?{back.query}")
            connection.getresponse().read()
"""


@pytest.mark.parametrize("pkce", [True, False])
async def test_authorization_code(
    pkce: bool, server: OAuth2Server, configure: Configure, tmp_path: Path
) -> None:
    """A browser is opened, in which the user agrees; this one agrees at once."""
    browser = tmp_path / "browser.py"
    browser.write_text(textwrap.dedent(BROWSER))
    program = """
        import asyncio, json, sys
        from stac_asset import Config, HttpClient

        async def main(config, href):
            async with await HttpClient.from_config(Config(**config)) as client:
                print(b"".join([chunk async for chunk in client.open_href(href)]).decode())

        asyncio.run(main(*json.loads(sys.stdin.read())))
    """
    grant = {"oauth2_grant": "authorization_code", "oauth2_pkce": pkce}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "BROWSER": f"{sys.executable} {browser} %s &"},
    )
    given = json.dumps([{**server.config, **grant}, f"{server.url}/a.tif"])
    output, _ = await asyncio.wait_for(process.communicate(given.encode()), 240)
    assert output == b"pixels\n"
    assert server.grants == ["authorization_code"]
    assert (server.challenge is not None) is pkce


async def test_extra_fields_do_not_replace_settings(configure: Configure) -> None:
    for field in ("client_id", "token_url", "token"):
        config = configure(CREDENTIALS, oauth2_extra={field: "x"})
        with pytest.raises(ConfigError, match=f"oauth2_extra .*{field}"):
            await HttpClient.from_config(config)


# A token's life


@pytest.mark.parametrize(
    ("grant", "refreshable", "rotating", "grants"),
    [
        (CREDENTIALS, False, False, ["client_credentials"] * 3),
        (CREDENTIALS, True, True, ["client_credentials", "refresh_token", "refresh_token"]),
        (PASSWORDS, False, False, ["password"] * 3),
        (PASSWORDS, True, True, ["password", "refresh_token", "refresh_token"]),
        (PASSWORDS, True, False, ["password", "refresh_token", "refresh_token"]),
        (DEVICES, True, True, [DEVICE, "refresh_token", "refresh_token"]),
        (DEVICES, False, False, [DEVICE] * 3),
    ],
)
async def test_a_token_is_renewed_before_it_ends(
    grant: dict[str, Any],
    refreshable: bool,
    rotating: bool,
    grants: list[str],
    server: OAuth2Server,
    configure: Configure,
) -> None:
    """The server never refuses one: nothing but foresight renews them."""
    server.says, server.refreshable, server.rotating = 1, refreshable, rotating
    async with await HttpClient.from_config(configure(grant)) as client:
        async with asyncio.timeout(240):
            while len(server.forms) < 3:
                assert await read(client, f"{server.url}/a.tif") == b"pixels"
                await asyncio.sleep(0.02)
    assert server.grants == grants
    assert {status for _, status in server.files} == {200}


async def test_a_refresh_token_that_is_refused_is_not_the_end(
    server: OAuth2Server, configure: Configure
) -> None:
    server.says, server.refreshable = 1, True
    async with await HttpClient.from_config(configure(PASSWORDS)) as client:
        async with asyncio.timeout(240):
            while len(server.forms) < 5:
                server.refreshes.clear()
                assert await read(client, f"{server.url}/a.tif") == b"pixels"
                await asyncio.sleep(0.02)
    again = ["refresh_token", "password"]
    assert server.grants == ["password", *again, *again]


async def test_tokens_may_end_in_the_middle_of_a_run(
    server: OAuth2Server, configure: Configure, tmp_path: Path
) -> None:
    """Here the server does refuse those that have ended."""
    server.says, server.life, server.delay = 2, 3, 0.12
    config = configure(CREDENTIALS)
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations(), max_concurrent_downloads=1)
        outcomes = [each async for each in engine.run(transfers(server, tmp_path, 30))]
    assert len(outcomes) == 30
    assert all(isinstance(outcome, Downloaded) for outcome in outcomes)
    assert len(server.forms) >= 2


@pytest.mark.parametrize(
    ("grant", "refreshable", "grants"),
    [
        (CREDENTIALS, False, ["client_credentials"] * 2),
        (PASSWORDS, False, ["password"] * 2),
        (PASSWORDS, True, ["password", "refresh_token"]),
        (DEVICES, True, [DEVICE, "refresh_token"]),
    ],
)
async def test_a_token_that_is_refused_is_replaced_once(
    grant: dict[str, Any],
    refreshable: bool,
    grants: list[str],
    server: OAuth2Server,
    configure: Configure,
) -> None:
    """By our clock it is good for an hour yet; a hundred requests meet the refusal at once."""
    server.refreshable = refreshable
    async with await HttpClient.from_config(configure(grant)) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
        server.revoke()
        reads = await asyncio.gather(*(read(client, f"{server.url}/a.tif") for _ in range(100)))
        assert set(reads) == {b"pixels"}
    assert server.grants == grants


async def test_a_refusal_that_stays_is_an_error_and_no_loop(
    server: OAuth2Server, configure: Configure
) -> None:
    server.life = -1
    async with await HttpClient.from_config(configure(CREDENTIALS)) as client:
        for _ in range(10):
            with pytest.raises(ResponseForbiddenError, match="401"):
                await read(client, f"{server.url}/a.tif")
            assert not await client.href_exists(f"{server.url}/a.tif")
    assert len(server.forms) == 2


async def test_a_token_need_not_say_when_it_ends(
    server: OAuth2Server, configure: Configure
) -> None:
    server.says = None
    async with await HttpClient.from_config(configure(CREDENTIALS)) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
        await asyncio.sleep(1.1)  # No token counts as dead within its first second.
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
        assert len(server.forms) == 1
        server.revoke()
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert len(server.forms) == 2


async def test_a_token_need_not_say_its_type(server: OAuth2Server, configure: Configure) -> None:
    server.faults = [(200, {}, {"access_token": "acc3ss-0", "expires_in": 60})]
    server.accepted["acc3ss-0"] = math.inf
    async with await HttpClient.from_config(configure(CREDENTIALS)) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"


# The endpoint's troubles


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_tried_again(
    status: int, server: OAuth2Server, configure: Configure
) -> None:
    server.faults = [(status, {}, {"error": "temporarily_unavailable"})] * 3
    async with await HttpClient.from_config(configure(CREDENTIALS)) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert [form["client_secret"] for form in server.forms] == [CLIENT_SECRET] * 4


async def test_retry_after_is_respected(server: OAuth2Server, configure: Configure) -> None:
    server.faults = [(429, {"Retry-After": "1"}, None)]
    config = configure(CREDENTIALS, retry_wait_max=5)
    started = asyncio.get_running_loop().time()
    async with await HttpClient.from_config(config) as client:
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert asyncio.get_running_loop().time() - started >= 1


async def test_a_refresh_that_fails_for_now_is_no_reason_to_start_over(
    server: OAuth2Server, configure: Configure
) -> None:
    """Neither while it is tried again, nor when that was in vain: a user might be asked again."""
    server.refreshable = True
    config = configure(PASSWORDS, http_max_attempts=3)
    async with await HttpClient.from_config(config) as client:
        await read(client, f"{server.url}/a.tif")
        server.faults = [(503, {}, None)] * 2
        server.revoke()
        assert await read(client, f"{server.url}/a.tif") == b"pixels"
    assert server.grants == ["password", *["refresh_token"] * 3]
    server.forms.clear()
    async with await HttpClient.from_config(config) as client:
        await read(client, f"{server.url}/a.tif")
        server.faults = [(503, {}, None)] * 3
        server.revoke()
        with pytest.raises(TokenError, match="503") as raised:
            await read(client, f"{server.url}/a.tif")
    assert raised.value.transient
    assert server.grants == ["password", *["refresh_token"] * 3]


async def test_an_endpoint_that_cannot_be_reached_may_be_one_day(configure: Configure) -> None:
    async with catching() as gone:
        url = f"{gone.url}/token"
    async with await HttpClient.from_config(configure(CREDENTIALS, oauth2_token_url=url)) as client:
        with pytest.raises(TokenError, match=f"127.0.0.1:{gone.port} issued no OAuth2") as raised:
            await read(client, f"{client_host(configure)}/a.tif")
    assert raised.value.transient


def client_host(configure: Configure) -> str:
    return configure(CREDENTIALS).oauth2_hosts[0]


async def test_a_refusal_is_one_sentence_and_not_tried_again(
    server: OAuth2Server, configure: Configure, tmp_path: Path
) -> None:
    """A wrong password is not sent once for each asset: accounts are locked for less."""
    config = configure(PASSWORDS, oauth2_password="wr0ng-password")
    async with Clients(config) as clients:
        outcomes = [
            outcome
            async for outcome in Engine(clients, config, LocalDestinations()).run(
                transfers(server, tmp_path, 30)
            )
        ]
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(errors) == 30
    assert {error.message for error in errors if isinstance(error, TokenError)} == {
        f"127.0.0.1:{server.port} issued no OAuth2 token: error 'invalid_grant'"
    }
    assert not any(error.transient for error in errors if isinstance(error, TokenError))
    assert len(server.forms) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        (403, {}, {"detail": "s3cr3t"}, "status 403"),
        (400, {}, {"error": "s3cr3t!"}, "the request was refused"),
        (200, {}, {"error": "access_denied"}, "error 'access_denied'"),
        (200, {}, {"access_token": ["s3cr3t"]}, "the response contains no token"),
        (200, {}, ["s3cr3t"], "the response contains no token"),
        (200, {}, {"error": {"s3cr3t": 1}}, "the response contains no token"),
        (307, {"Location": "/s3cr3t"}, None, "the endpoint redirects the request"),
    ],
)
async def test_any_other_answer_is_an_error(
    status: int,
    headers: dict[str, str],
    body: object,
    reason: str,
    server: OAuth2Server,
    configure: Configure,
) -> None:
    server.faults = [(status, headers, body)]
    async with await HttpClient.from_config(configure(CREDENTIALS)) as client:
        with pytest.raises(TokenError) as raised:
            await read(client, f"{server.url}/a.tif")
    assert str(raised.value) == f"127.0.0.1:{server.port} issued no OAuth2 token: {reason}"
    assert len(server.forms) == 1
    for error in chain_of(raised.value):
        assert "s3cr3t" not in f"{error!r} {vars(error)} {traceback.format_exception(error)}"


async def test_a_page_in_place_of_a_token_is_an_error(configure: Configure) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async with served(answer) as port:
        config = configure(CREDENTIALS, oauth2_token_url=f"http://127.0.0.1:{port}/token")
        async with await HttpClient.from_config(config) as client:
            with pytest.raises(TokenError, match="the response contains no token"):
                await read(client, f"{client_host(configure)}/a.tif")


# Which hosts get the token


@pytest.mark.parametrize("grant", [CREDENTIALS, PASSWORDS, DEVICES])
async def test_a_grant_needs_hosts(grant: dict[str, Any], configure: Configure) -> None:
    config = configure(grant, oauth2_hosts=[])
    with pytest.raises(ConfigError, match="needs oauth2_hosts too"):
        config.validate()
    with pytest.raises(ConfigError, match="oauth2_hosts"):
        await HttpClient.from_config(config)


@pytest.mark.parametrize("field", ["oauth2_hosts", "http_headers_hosts"])
@pytest.mark.parametrize(
    "host", ["", "*", "*.", "a/b", "https://a.b/", "a.b:x", "a b", "a*.b", "[x]"]
)
def test_hosts_are_checked(field: str, host: str) -> None:
    with pytest.raises(ConfigError, match=f"{field}: .* is not a host pattern"):
        Config(**{field: [host]}).validate()  # type: ignore[arg-type]


LOOK_ALIKES = [
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


async def test_look_alikes_get_no_token(server: OAuth2Server, configure: Configure) -> None:
    config = configure(CREDENTIALS, oauth2_hosts=HOSTS)
    async with catching() as catcher:
        async with await HttpClient.from_config(config) as client:
            await reroute(client, session({"*": catcher.port}))
            for href in (*LOOK_ALIKES, "http://other.example.com/a.tif"):
                await read(client, href)
            assert not server.forms, "nobody needed a token"
            for href in ("http://data.example.com/", "http://DATA.example.com./a"):
                await read(client, href)
            await read(client, "http://a.b.files.example.net/a")
        sent = [request.headers.get("authorization") for request in catcher.seen]
        others = len(LOOK_ALIKES) + 1
        assert all(header is None or "Basic" in header for header in sent[:others])
        assert sent[others:] == ["Bearer acc3ss-1"] * 3


async def test_a_redirect_carries_the_token_to_its_hosts_only(
    server: OAuth2Server, configure: Configure
) -> None:
    """As Copernicus has it: the catalogue leads to another host that wants the token too."""
    async with catching() as other:
        with Origin() as first:
            first.fault("/a", Redirect(f"{server.url}/a.tif"))
            first.fault("/b", Redirect(f"{other.url}/b.tif"))
            config = configure(CREDENTIALS, oauth2_hosts=[first.url, server.url])
            async with await HttpClient.from_config(config) as client:
                assert await read(client, first.href("/a")) == b"pixels"
                assert await read(client, first.href("/b")) == b"caught"
            assert {request.headers.get("authorization") for request in first.gets()} == {
                "Bearer acc3ss-1"
            }
        other.assert_never_sent("acc3ss")


async def test_the_token_request_is_not_redirected(configure: Configure) -> None:
    async with catching() as other:
        with Origin() as endpoint:
            endpoint.fault("/token", Redirect(f"{other.url}/token", status=307), times=0)
            config = configure(CREDENTIALS, oauth2_token_url=endpoint.href("/token"))
            async with await HttpClient.from_config(config) as client:
                with pytest.raises(TokenError, match="the endpoint redirects the request"):
                    await read(client, f"{client_host(configure)}/a.tif")
        assert not other.seen


async def test_headers_go_to_their_hosts_only(configure: Configure) -> None:
    config = Config(http_headers={"X-Api-Key": "s3cr3t"}, http_headers_hosts=HOSTS)
    async with catching() as catcher, await HttpClient.from_config(config) as client:
        await reroute(client, session({"*": catcher.port}))
        for href in (*LOOK_ALIKES, "http://other.example.com/a.tif"):
            await read(client, href)
        catcher.assert_never_sent("s3cr3t")
        catcher.seen.clear()
        await read(client, "http://data.example.com/a.tif")
        assert catcher.seen[0].headers["x-api-key"] == "s3cr3t"


async def test_headers_go_to_the_hrefs_origin_where_no_hosts_are_named() -> None:
    async with catching() as other:
        with Origin() as first:
            first.fault("/b", Redirect(f"{other.url}/b.tif"))
            config = Config(http_headers={"X-Api-Key": "s3cr3t"})
            async with await HttpClient.from_config(config) as client:
                await read(client, first.href("/a"))
                await read(client, first.href("/b"))
            assert {request.headers["x-api-key"] for request in first.gets()} == {"s3cr3t"}
        other.assert_never_sent("s3cr3t")


async def test_a_token_wins_over_a_header_for_the_same_host(
    server: OAuth2Server, configure: Configure
) -> None:
    headers = {"Authorization": "Basic x", "X-Api-Key": "key"}
    for hosts in ([], [server.url]):
        config = configure(CREDENTIALS, http_headers=headers, http_headers_hosts=hosts)
        async with await HttpClient.from_config(config) as client:
            assert await read(client, f"{server.url}/a.tif") == b"pixels"
        assert server.files[-1][0].headers["x-api-key"] == "key"


# Secrets


async def test_secrets_are_shown_nowhere(
    server: OAuth2Server, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.refreshable = True
    config = configure(PASSWORDS, oauth2_extra={"client_secret": CLIENT_SECRET})
    shown = [repr(config), str(config)]
    async with await HttpClient.from_config(config) as client:
        await read(client, f"{server.url}/a.tif")
        shown += [repr(client), repr(vars(client)), repr(vars(client._credentials))]
        server.refreshes.clear()
        server.revoke()
        await read(client, f"{server.url}/a.tif")
        server.revoke()
        with pytest.raises(StacAssetError) as raised:
            await read(client, f"{server.url}/a.tif")
    wrong = configure(CREDENTIALS, oauth2_client_secret="wr0ng-secret")
    async with await HttpClient.from_config(wrong) as client:
        with pytest.raises(TokenError) as refused:
            await read(client, f"{server.url}/a.tif")
    for error in (*chain_of(raised.value), *chain_of(refused.value)):
        shown += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert "Token refresh failed (error 'invalid_grant')" in caplog.text
    shown += [caplog.text]
    for secret in (CLIENT_SECRET, USERNAME, PASSWORD, "acc3ss-", "refr3sh-", "wr0ng-secret"):
        assert not [text for text in shown if secret in text], secret
