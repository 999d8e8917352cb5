"""Signed hrefs, configuration, secrets and resumed downloads of the Planetary Computer client."""

from __future__ import annotations

import asyncio
import logging
import pickle
import re
import ssl
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from stac_asset import Config, PlanetaryComputerClient
from stac_asset.clients import Client, Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import ConfigError, NotFoundError, ResponseForbiddenError, TransferError
from stac_asset.testing import ClientContract, Origin
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded, Failed
from tests.stac_asset.clients.planetary_computer.conftest import (
    BLOB_HOST,
    SUBSCRIPTION_KEY,
    MakeClient,
)
from tests.support.azurite import ACCOUNT, Azurite, TokenEndpoint, container_sas
from tests.support.client_reads import read_bytes
from tests.support.cutting_proxy import cutting_proxy
from tests.support.error_chains import chain_of
from tests.support.loopback import (
    loopback_session,
    recording_server,
    replace_session,
    serve_handler,
)
from tests.support.transfers import file_transfer


class TestPlanetaryComputerClient(ClientContract):
    secrets = (SUBSCRIPTION_KEY, "sig=", "s3cr3t")

    @pytest.fixture(autouse=True)
    def _serve(self, azurite: Azurite, tokens: TokenEndpoint, container: str) -> None:
        self.azurite, self.tokens, self.container = azurite, tokens, container

    async def make_client(self) -> Client:
        return PlanetaryComputerClient(
            loopback_session(),
            self.tokens.url,
            subscription_key=SUBSCRIPTION_KEY,
            blob_hosts=[self.azurite.url],
        )

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        put = self.azurite.put
        return await asyncio.to_thread(put, self.container, name, data, content_type)

    def missing_href(self) -> str:
        self.azurite.put(self.container, "other.bin", b"")
        return f"{self.azurite.url}/{ACCOUNT}/{self.container}/missing.bin?x=s3cr3t"

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"


async def test_azure_blob_href_is_signed(
    azurite: Azurite, make_client: MakeClient, container: str
) -> None:
    """The host name contains the account, and the path contains the container."""
    azurite.put(container, "a b.tif", b"pixels")
    client = make_client(
        session=loopback_session({f"{ACCOUNT}.{BLOB_HOST}": azurite.port}), blob_hosts=()
    )
    assert (
        await read_bytes(client, f"http://{ACCOUNT}.{BLOB_HOST}/{container}/a%20b.tif") == b"pixels"
    )


async def test_certificates_of_session_are_used(
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
    tokens: TokenEndpoint,
    make_client: MakeClient,
) -> None:
    href = f"https://{ACCOUNT}.{BLOB_HOST}/naip/a.tif"
    with Origin(ssl_context=server_context) as storage:
        storage.put("/naip/a.tif", b"pixels")
        names = {f"{ACCOUNT}.{BLOB_HOST}": storage.port}
        assert (
            await read_bytes(make_client(session=loopback_session(names, client_context)), href)
            == b"pixels"
        )
        assert [request.query for request in storage.gets()] == tokens.given
        with pytest.raises(TransferError, match="cannot be reached: TLS error"):
            await read_bytes(make_client(session=loopback_session(names)), href)


@pytest.mark.parametrize(
    "host",
    [
        f"{ACCOUNT}.{BLOB_HOST}.evil.example",
        f"evil{BLOB_HOST}",
        f"{ACCOUNT}.evil{BLOB_HOST}",
        f"{ACCOUNT}.x.{BLOB_HOST}",
        f"{ACCOUNT}.{BLOB_HOST}:8080",
        f"evil.example/{ACCOUNT}.{BLOB_HOST}",
        f"{BLOB_HOST}",
        f"{ACCOUNT}.{BLOB_HOST}@evil.example",
        f"ai4edatasetspublicassets.{BLOB_HOST}",
    ],
)
async def test_other_hosts_receive_no_token(
    host: str, tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as recorder:
        client = make_client(
            session=loopback_session({"*": recorder.port}),
            subscription_key=SUBSCRIPTION_KEY,
            blob_hosts=(),
        )
        assert await read_bytes(client, f"http://{host}/naip/a.tif") == b"caught"
        assert [request.query for request in recorder.seen] == [""]
        recorder.assert_never_sent(SUBSCRIPTION_KEY)
    assert not tokens.seen


@pytest.mark.parametrize("field", ["st", "se", "sp", "sig"])
async def test_signed_href_is_not_changed(
    field: str, tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as recorder:
        client = make_client(blob_hosts=[recorder.url])
        await read_bytes(client, f"{recorder.url}/{ACCOUNT}/naip/a.tif?x=1&{field}=2024%3a01")
        assert [request.query for request in recorder.seen] == [f"x=1&{field}=2024%3a01"]
    assert not tokens.seen


async def test_refused_signed_href_requests_no_token(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()
    assert await read_bytes(client, href) == b"pixels"
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(ResponseForbiddenError):
        await read_bytes(client, f"{href}?{container_sas(container, past, past, 'rl')}")
    assert len(tokens.seen) == 1


@pytest.mark.parametrize("path", ["/a.tif", "/..%2f..%2fkeys/a.tif", "/UPPER/a.tif", "/a/b.tif"])
async def test_invalid_container_name_requests_no_token(
    path: str, tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    """Names from items must not change the path of the token request."""
    async with recording_server() as recorder:
        client = make_client(session=loopback_session({"*": recorder.port}), blob_hosts=())
        await read_bytes(client, f"http://{ACCOUNT}.{BLOB_HOST}{path}")
        assert [request.query for request in recorder.seen] == [""]
    assert not tokens.seen


async def test_query_and_special_characters_are_kept(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as recorder:
        client = make_client(blob_hosts=[recorder.url])
        await read_bytes(
            client, f"{recorder.url}/{ACCOUNT}/naip/a%2Bb+c%20%C3%BC.tif?snapshot=2024%2D01#x"
        )
        request = recorder.seen[0]
    assert request.path == f"/{ACCOUNT}/naip/a%2Bb+c%20%C3%BC.tif"
    assert request.query == f"snapshot=2024%2D01&{tokens.given[0]}"


async def test_client_claims_azure_blobs_and_given_hosts(make_client: MakeClient) -> None:
    client = make_client(blob_hosts=["http://127.0.0.1:10000"])
    assert client.claims(URL(f"https://{ACCOUNT}.{BLOB_HOST}/naip/a.tif"))
    assert client.claims(URL("http://127.0.0.1:10000/account/naip/a.tif"))
    assert not client.claims(URL(f"https://{ACCOUNT}.{BLOB_HOST}.evil.example/naip/a.tif"))
    assert not client.claims(URL("http://127.0.0.1:10001/account/naip/a.tif"))


async def test_from_config_sets_endpoint_and_subscription_key(
    tokens: TokenEndpoint, config: Config
) -> None:
    async with recording_server() as recorder:
        config.sas_token_endpoint, config.pc_subscription_key = tokens.url, SUBSCRIPTION_KEY
        config.http_check_content_type = False
        async with Clients(config) as clients:
            client = await clients.get_client(f"https://{ACCOUNT}.{BLOB_HOST}/naip/a.tif")
            assert isinstance(client, PlanetaryComputerClient)
            assert client.sas_token_endpoint == tokens.url
            assert not client.check_content_type
            await replace_session(client, loopback_session({"*": recorder.port}))
            await read_bytes(client, f"http://{ACCOUNT}.{BLOB_HOST}/naip/a.tif")
        assert recorder.seen[0].query == tokens.given[0]
    assert tokens.seen[0].headers["ocp-apim-subscription-key"] == SUBSCRIPTION_KEY


async def test_invalid_token_endpoint_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="sas_token_endpoint 'sas'"):
        await PlanetaryComputerClient.from_config(Config(sas_token_endpoint="sas"))


async def test_subscription_key_is_sent_to_token_endpoint_only(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as recorder:
        client = make_client(subscription_key=SUBSCRIPTION_KEY, blob_hosts=[recorder.url])
        await read_bytes(client, f"{recorder.url}/{ACCOUNT}/naip/a.tif")
        await read_bytes(client, f"http://127.0.0.1:{recorder.port}/other")
        recorder.assert_never_sent(SUBSCRIPTION_KEY)
    assert [request.headers.get("ocp-apim-subscription-key") for request in tokens.seen] == [
        SUBSCRIPTION_KEY
    ]


async def test_subscription_key_does_not_follow_redirect_to_other_host(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as other_host, recording_server() as blobs:
        other_host.body = b'{"token": "sig=x"}'
        tokens.faults = [
            (307, {"Location": f"{tokens.url}/{ACCOUNT}/again"}),
            (307, {"Location": f"{other_host.url}/{ACCOUNT}/naip"}),
        ]
        client = make_client(subscription_key=SUBSCRIPTION_KEY, blob_hosts=[blobs.url])
        await read_bytes(client, f"{blobs.url}/{ACCOUNT}/naip/a.tif")
        other_host.assert_never_sent(SUBSCRIPTION_KEY)
        blobs.assert_never_sent(SUBSCRIPTION_KEY)
    keys = [request.headers.get("ocp-apim-subscription-key") for request in tokens.seen]
    assert keys == [SUBSCRIPTION_KEY, SUBSCRIPTION_KEY]


async def test_token_does_not_follow_redirect(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    async with recording_server() as other_host:
        found = aiohttp.web.HTTPFound(f"{other_host.url}/{ACCOUNT}/naip/a.tif")

        async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
            return aiohttp.web.Response(status=found.status, headers=found.headers)

        async with serve_handler(answer) as port:
            blobs = f"http://127.0.0.1:{port}"
            await read_bytes(make_client(blob_hosts=[blobs]), f"{blobs}/{ACCOUNT}/naip/a.tif")
        other_host.assert_never_sent("sig")


async def test_logs_and_errors_contain_no_secrets(
    azurite: Azurite,
    tokens: TokenEndpoint,
    make_client: MakeClient,
    container: str,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    href = azurite.put(container, "a.tif", b"pixels", "text/plain")
    client = make_client(subscription_key=SUBSCRIPTION_KEY, check_content_type=False)
    output = [repr(client), repr(vars(client)), str(client)]
    [chunk async for chunk in client.open_href(href, content_type="image/tiff")]
    errors: list[BaseException] = []

    async def broken(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")
        request.transport.close()
        return aiohttp.web.Response()

    async with serve_handler(broken) as port:
        blobs = f"http://127.0.0.1:{port}"
        broken_client = make_client(
            blob_hosts=[blobs],
            subscription_key=SUBSCRIPTION_KEY,
            config=Config(http_max_attempts=1),
        )
        for requested in (f"{blobs}/{ACCOUNT}/{container}/a.tif", href + ".missing"):
            for client in (broken_client, make_client(subscription_key=SUBSCRIPTION_KEY)):
                try:
                    await read_bytes(client, requested)
                except TransferError as error:
                    errors += chain_of(error)
    assert any(isinstance(error, NotFoundError) for error in errors)
    for error in errors:
        output += [repr(error), str(error), repr(error.args), *traceback.format_exception(error)]
        output.append(repr(vars(error)))
        if isinstance(error, TransferError):
            output.append(pickle.dumps(error).decode("latin1"))
    output += [caplog.text, *map(str, caplog.messages)]
    signatures = re.findall(r"sig=([^&]+)", " ".join(tokens.given))
    assert len(signatures) == len(tokens.given) > 0
    for secret in (SUBSCRIPTION_KEY, *signatures, *tokens.given):
        assert not [text for text in output if secret in text]


async def test_part_file_is_resumed_with_new_token(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str, tmp_path: Path
) -> None:
    """A second run with another client and another token downloads the rest."""
    data = bytes(range(256)) * 8192
    href = azurite.put(container, "a.tif", data)
    path = tmp_path / "a.tif"
    async with cutting_proxy(azurite.port, after=500_000) as proxy:
        href = href.replace(azurite.url, proxy.url)
        config = Config(http_max_attempts=1)
        for expected in (Failed, Downloaded):
            client = make_client(blob_hosts=[proxy.url])
            engine = Engine(Clients(config, [client]), config, LocalDestinations())
            outcome = await engine.download(file_transfer(href, path))
            assert isinstance(outcome, expected), outcome
        assert isinstance(outcome, Downloaded)
    assert path.read_bytes() == data
    assert 0 < outcome.received < len(data)
    first, second = (re.findall(r"sig=([^& ]+)", request)[0] for request in proxy.requests)
    assert first != second
    assert f"Range: bytes={len(data) - outcome.received}-" in proxy.requests[1]
    assert "If-Range: " in proxy.requests[1]
