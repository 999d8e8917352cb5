"""Retries and errors of OAuth2 token requests, without secrets in the output."""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path

import pytest
from aiohttp import web

from stac_asset import HttpClient
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import StacAssetError, TokenError
from stac_asset.transfer.engine import Engine
from stac_asset.types import Failed
from tests.stac_asset.clients.http.conftest import MakeConfig
from tests.support.client_reads import read_bytes
from tests.support.error_chains import chain_of
from tests.support.loopback import recording_server, serve_handler
from tests.support.oauth2_server import (
    CLIENT_CREDENTIALS,
    CLIENT_SECRET,
    PASSWORD,
    USER_PASSWORD,
    USERNAME,
    OAuth2Server,
)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_transient_status_of_token_endpoint_is_retried(
    status: int, server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.faults = [(status, {}, {"error": "temporarily_unavailable"})] * 3
    async with await HttpClient.from_config(make_config(CLIENT_CREDENTIALS)) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
    assert [form["client_secret"] for form in server.forms] == [CLIENT_SECRET] * 4


async def test_retry_after_of_token_endpoint_is_respected(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.faults = [(429, {"Retry-After": "1"}, None)]
    config = make_config(CLIENT_CREDENTIALS, retry_wait_max=5)
    started = asyncio.get_running_loop().time()
    async with await HttpClient.from_config(config) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
    assert asyncio.get_running_loop().time() - started >= 1


async def test_transient_refresh_failure_does_not_repeat_grant(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    """The grant may require the user, so failed attempts to refresh do not repeat the grant."""
    server.refreshable = True
    config = make_config(USER_PASSWORD, http_max_attempts=3)
    async with await HttpClient.from_config(config) as client:
        await read_bytes(client, f"{server.url}/a.tif")
        server.faults = [(503, {}, None)] * 2
        server.revoke()
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
    assert server.grants == ["password", *["refresh_token"] * 3]
    server.forms.clear()
    async with await HttpClient.from_config(config) as client:
        await read_bytes(client, f"{server.url}/a.tif")
        server.faults = [(503, {}, None)] * 3
        server.revoke()
        with pytest.raises(TokenError, match="503") as raised:
            await read_bytes(client, f"{server.url}/a.tif")
    assert raised.value.transient
    assert server.grants == ["password", *["refresh_token"] * 3]


async def test_unreachable_token_endpoint_is_a_transient_error(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    async with recording_server() as closed:
        url = f"{closed.url}/token"
    async with await HttpClient.from_config(
        make_config(CLIENT_CREDENTIALS, oauth2_token_url=url)
    ) as client:
        with pytest.raises(TokenError, match=f"127.0.0.1:{closed.port} issued no OAuth2") as raised:
            await read_bytes(client, f"{server.url}/a.tif")
    assert raised.value.transient


async def test_wrong_password_is_sent_once(
    server: OAuth2Server, make_config: MakeConfig, tmp_path: Path
) -> None:
    """Repeated failures can lock an account, so the password is not sent for each asset."""
    config = make_config(USER_PASSWORD, oauth2_password="wr0ng-password")
    async with Clients(config) as clients:
        outcomes = [
            outcome
            async for outcome in Engine(clients, config, LocalDestinations()).run(
                server.transfers(tmp_path, 30)
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
async def test_invalid_token_response_is_an_error(
    status: int,
    headers: dict[str, str],
    body: object,
    reason: str,
    server: OAuth2Server,
    make_config: MakeConfig,
) -> None:
    server.faults = [(status, headers, body)]
    async with await HttpClient.from_config(make_config(CLIENT_CREDENTIALS)) as client:
        with pytest.raises(TokenError) as raised:
            await read_bytes(client, f"{server.url}/a.tif")
    assert str(raised.value) == f"127.0.0.1:{server.port} issued no OAuth2 token: {reason}"
    assert len(server.forms) == 1
    for error in chain_of(raised.value):
        assert "s3cr3t" not in f"{error!r} {vars(error)} {traceback.format_exception(error)}"


async def test_web_page_instead_of_token_is_an_error(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async with serve_handler(answer) as port:
        config = make_config(CLIENT_CREDENTIALS, oauth2_token_url=f"http://127.0.0.1:{port}/token")
        async with await HttpClient.from_config(config) as client:
            with pytest.raises(TokenError, match="the response contains no token"):
                await read_bytes(client, f"{server.url}/a.tif")


async def test_logs_and_errors_contain_no_secrets(
    server: OAuth2Server, make_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.refreshable = True
    config = make_config(USER_PASSWORD, oauth2_extra={"client_secret": CLIENT_SECRET})
    output = [repr(config), str(config)]
    async with await HttpClient.from_config(config) as client:
        await read_bytes(client, f"{server.url}/a.tif")
        output += [repr(client), repr(vars(client)), repr(vars(client._credentials))]
        server.refreshes.clear()
        server.revoke()
        await read_bytes(client, f"{server.url}/a.tif")
        server.revoke()
        with pytest.raises(StacAssetError) as raised:
            await read_bytes(client, f"{server.url}/a.tif")
    wrong = make_config(CLIENT_CREDENTIALS, oauth2_client_secret="wr0ng-secret")
    async with await HttpClient.from_config(wrong) as client:
        with pytest.raises(TokenError) as refused:
            await read_bytes(client, f"{server.url}/a.tif")
    for error in (*chain_of(raised.value), *chain_of(refused.value)):
        output += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert "Token refresh failed (error 'invalid_grant')" in caplog.text
    output += [caplog.text]
    for secret in (CLIENT_SECRET, USERNAME, PASSWORD, "acc3ss-", "refr3sh-", "wr0ng-secret"):
        assert not [text for text in output if secret in text], secret


async def test_error_code_that_repeats_the_secret_is_not_shown(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.faults = [(400, {}, {"error": "correct_horse"})]
    config = make_config(CLIENT_CREDENTIALS, oauth2_client_secret="correct_horse")
    async with await HttpClient.from_config(config) as client:
        with pytest.raises(TokenError, match="the request was refused") as raised:
            await read_bytes(client, f"{server.url}/a.tif")
    assert "correct_horse" not in str(raised.value)
