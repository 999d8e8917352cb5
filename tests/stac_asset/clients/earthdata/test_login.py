"""Earthdata tokens from arguments, environment, user name and password, and .netrc."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import Config, EarthdataClient
from stac_asset.clients import Clients
from stac_asset.errors import ConfigError, LoginPageError, StacAssetError
from tests.support.client_reads import read_bytes
from tests.support.earthdata_http import EarthdataOverHttp, earthdata_over_http
from tests.support.earthdata_tls import DATA, TOKEN, EarthdataOverTls
from tests.support.loopback import replace_session

USER = ("s0mebody", "pa55word")
ISSUED_TOKEN = "g1ven-token"


async def tokens_sent_by(client: EarthdataClient, earthdata: EarthdataOverTls) -> list[str]:
    """Read a file, and return the tokens of the requests."""
    await replace_session(client, earthdata.session())
    async with client:
        with contextlib.suppress(LoginPageError):
            await read_bytes(client, earthdata.put("/a.tif", b"pixels"))
    return sorted({request.headers["authorization"] for request in earthdata.seen})


async def test_login_uses_given_token(
    earthdata: EarthdataOverTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", "another")
    assert await tokens_sent_by(await EarthdataClient.login(TOKEN), earthdata) == [
        f"Bearer {TOKEN}"
    ]


async def test_login_reads_token_from_environment(
    earthdata: EarthdataOverTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", f" {TOKEN}\n")
    assert await tokens_sent_by(await EarthdataClient.login(), earthdata) == [f"Bearer {TOKEN}"]


async def test_configured_token_overrides_environment(
    earthdata: EarthdataOverTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", "another")
    config = Config(earthdata_token=TOKEN, http_check_content_type=False)
    client = await EarthdataClient.from_config(config)
    assert not client.check_content_type
    assert await tokens_sent_by(client, earthdata) == [f"Bearer {TOKEN}"]


async def test_from_config_falls_back_to_environment(
    earthdata: EarthdataOverTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", TOKEN)
    async with Clients(Config()) as clients:
        client = await clients.get_client(f"https://{DATA}/a.tif")
        assert isinstance(client, EarthdataClient)
        assert await tokens_sent_by(client, earthdata) == [f"Bearer {TOKEN}"]


async def test_missing_token_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", " ")
    monkeypatch.setenv("NETRC", "/nowhere/.netrc")
    with pytest.raises(ConfigError) as raised:
        await EarthdataClient.login()
    assert str(raised.value) == (
        "No Earthdata token is configured. Set `EARTHDATA_PAT` or `Config.earthdata_token`, or add "
        "a login for urs.earthdata.nasa.gov to .netrc."
    )
    monkeypatch.delenv("EARTHDATA_PAT")
    with pytest.raises(ConfigError, match="EARTHDATA_PAT"):
        await EarthdataClient.from_config(Config())


def test_import_requires_no_token() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "EARTHDATA_PAT"}
    subprocess.run([sys.executable, "-c", "import stac_asset"], env=environment, check=True)


@pytest.fixture
async def hosts() -> AsyncIterator[EarthdataOverHttp]:
    """Run Earthdata hosts without TLS."""
    async with earthdata_over_http(ISSUED_TOKEN, USER) as running:
        yield running


async def login(hosts: EarthdataOverHttp, *user: str | None) -> EarthdataClient:
    config = Config(retry_wait=0.01, http_max_attempts=2)
    return await EarthdataClient.login(
        None, *user, hosts=[hosts.data_url], login_url=hosts.login_url, config=config
    )


class TestLoginByUser:
    async def test_user_and_password_request_a_single_token(self, hosts: EarthdataOverHttp) -> None:
        hrefs = [hosts.put(f"/{name}.tif", name.encode()) for name in "abc"]
        async with await login(hosts, *USER) as client:
            assert [await read_bytes(client, href) for href in hrefs] == [b"a", b"b", b"c"]
        assert hosts.given == 1
        assert not [r for r in hosts.storage.requests if "authorization" in r.headers]

    async def test_netrc_is_used_without_other_credentials(
        self, hosts: EarthdataOverHttp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / ".netrc"
        monkeypatch.setenv("NETRC", str(file))
        monkeypatch.delenv("EARTHDATA_PAT", raising=False)
        href = hosts.put("/a.tif", b"a")
        with pytest.raises(ConfigError, match=r"add a login for localhost to \.netrc"):
            await login(hosts)
        file.write_text("machine example.com login x password y\n")
        with pytest.raises(ConfigError, match="No Earthdata token is configured"):
            await login(hosts)
        file.write_text(f"machine localhost login {USER[0]} password {USER[1]}\n")
        async with await login(hosts) as client:
            assert await read_bytes(client, href) == b"a"
        assert hosts.given == 1
        monkeypatch.setenv("EARTHDATA_PAT", "wr0ng")
        async with await login(hosts) as client:
            with pytest.raises(StacAssetError, match="a login page"):
                await read_bytes(client, href)
        assert hosts.given == 1

    async def test_invalid_netrc_error_contains_no_password(
        self, hosts: EarthdataOverHttp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".netrc").write_text("machine localhost login me pa55word\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.delenv("EARTHDATA_PAT", raising=False)
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            await login(hosts)
        assert "pa55word" not in str(caught.value)

    async def test_wrong_password_is_sent_once_to_login_host(
        self, hosts: EarthdataOverHttp
    ) -> None:
        hrefs = [hosts.put(f"/{name}.tif", b"x") for name in "abc"]
        async with await login(hosts, USER[0], "wr0ng") as client:
            for href in hrefs:
                with pytest.raises(
                    StacAssetError, match="issued no Earthdata token: 401"
                ) as caught:
                    await read_bytes(client, href)
                assert "wr0ng" not in str(caught.value)
        assert [(seen.method, seen.host) for seen in hosts.seen] == [
            ("POST", f"localhost:{hosts.login_port}")
        ]
