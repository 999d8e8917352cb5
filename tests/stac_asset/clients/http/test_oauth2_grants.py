"""Bearer tokens from an OAuth2 server by each grant."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from stac_asset import HttpClient
from stac_asset.errors import ConfigError
from tests.stac_asset.clients.http.conftest import MakeConfig
from tests.support.client_reads import read_bytes
from tests.support.oauth2_server import (
    CLIENT_CREDENTIALS,
    CLIENT_ID,
    CLIENT_SECRET,
    DEVICE_CODES,
    DEVICE_GRANT,
    PASSWORD,
    USER_PASSWORD,
    USERNAME,
    OAuth2Server,
)


async def test_client_credentials_grant_requests_a_single_token(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    config = make_config(CLIENT_CREDENTIALS, oauth2_extra={"scope": "read", "audience": "files"})
    async with await HttpClient.from_config(config) as client:
        reads = await asyncio.gather(
            *(read_bytes(client, f"{server.url}/a.tif") for _ in range(100))
        )
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


async def test_password_grant_sends_user_and_password(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    config = make_config(USER_PASSWORD, oauth2_extra={"totp": "123456"})
    async with await HttpClient.from_config(config) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
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
async def test_device_code_grant_waits_for_user(
    pkce: bool, server: OAuth2Server, make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """The instructions are printed once, and all requests wait for the user."""
    server.pending = 3
    async with await HttpClient.from_config(make_config(DEVICE_CODES, oauth2_pkce=pkce)) as client:
        reads = await asyncio.gather(
            *(read_bytes(client, f"{server.url}/a.tif") for _ in range(10))
        )
    assert set(reads) == {b"pixels"}
    assert server.grants == [DEVICE_GRANT] * 4
    assert (server.challenge is not None) is pkce
    assert capsys.readouterr().out.splitlines() == [
        f"Visit {server.url}/activate and enter code ABCD-EFGH to authenticate."
    ]


async def test_device_code_grant_continues_after_server_error(
    server: OAuth2Server, make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [(503, {}, None), (503, {}, None)]
    async with await HttpClient.from_config(make_config(DEVICE_CODES)) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
    assert len(capsys.readouterr().out.splitlines()) == 1


async def test_device_code_grant_waits_longer_after_slow_down(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    """Some servers send `slow_down` with status 429. The library then adds five seconds."""
    server.faults = [(429, {}, {"error": "slow_down"})]
    config = make_config(DEVICE_CODES, http_max_attempts=1)
    async with await HttpClient.from_config(config) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"


# Like a browser, the script tries both addresses of localhost.
BROWSER = """
    import contextlib, http.client, sys
    from urllib.parse import urlsplit

    requested = urlsplit(sys.argv[1])
    connection = http.client.HTTPConnection(requested.netloc)
    connection.request("GET", f"{requested.path}?{requested.query}")
    back = urlsplit(connection.getresponse().headers["Location"])
    for address in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(address, back.port)
            connection.request("GET", f"{back.path}?{back.query}")
            connection.getresponse().read()
"""


@pytest.mark.parametrize("pkce", [True, False])
async def test_authorization_code_grant_opens_browser(
    pkce: bool, server: OAuth2Server, make_config: MakeConfig, tmp_path: Path
) -> None:
    """The browser of this test approves the request immediately."""
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
    arguments = json.dumps([{**server.config, **grant}, f"{server.url}/a.tif"])
    output, _ = await asyncio.wait_for(process.communicate(arguments.encode()), 240)
    assert output == b"pixels\n"
    assert server.grants == ["authorization_code"]
    assert (server.challenge is not None) is pkce


async def test_extra_fields_cannot_replace_settings(make_config: MakeConfig) -> None:
    for field in ("client_id", "token_url", "token"):
        config = make_config(CLIENT_CREDENTIALS, oauth2_extra={field: "x"})
        with pytest.raises(ConfigError, match=f"oauth2_extra .*{field}"):
            await HttpClient.from_config(config)
