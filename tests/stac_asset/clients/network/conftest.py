"""A TLS server for all clients, and a proxy that resolves host names to this server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from yarl import URL

from stac_asset import Config, EarthdataClient, HttpClient, PlanetaryComputerClient
from stac_asset.clients.http.oauth2 import OAuth2Bearer
from stac_asset.clients.s3 import S3Identity
from stac_asset.mirror.sources.api_io import ApiIO
from stac_asset.stac.api_request import ApiRequest
from tests.support.client_reads import read_bytes
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.loopback import serve_handler
from tests.support.s3_buckets import KEY, SECRET, fetch_object, s3_client

BODY = b"pixels"
CONFIG = Config(http_max_attempts=2, retry_wait=0.01)
HOST = "data.evil.example"
"""A host name of the certificate. The name does not exist, so only a proxy can resolve it."""


@dataclass
class TlsServer:
    """A server with files, tokens and a search response.

    Attributes:
        heads: Headers of all requests.
    """

    heads: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heads.append(str(dict(request.headers)))
        if request.path.startswith(("/token", "/api/users", "/sas")):
            return web.json_response({"access_token": "t", "token": "sig=t", "expires_in": 99})
        if request.path == "/search":
            return web.json_response({"features": []})
        return web.Response(body=BODY, headers={"ETag": '"1"'})


async def _read_by_http(origin: str) -> None:
    async with await HttpClient.from_config(CONFIG) as client:
        for _ in range(2):  # The second request uses the connection of the first.
            assert await read_bytes(client, f"{origin}/a.tif") == BODY


async def _read_by_s3(origin: str) -> None:
    async with s3_client(origin, identity=S3Identity(KEY, SECRET)) as client:
        for _ in range(2):
            assert (await fetch_object(client))[1] == BODY


async def _request_oauth2_token(origin: str) -> None:
    config = CONFIG.copy()
    config.oauth2_grant, config.oauth2_token_url = "client_credentials", f"{origin}/token"
    config.oauth2_client_id, config.oauth2_client_secret = "id", "secret"
    config.oauth2_hosts = [HOST]
    bearer = await OAuth2Bearer.from_config(config)
    try:
        assert await bearer.headers(URL(f"https://{HOST}/a")) == {"Authorization": "Bearer t"}
    finally:
        await bearer.close()


async def _log_in_to_earthdata(origin: str) -> None:
    client = await EarthdataClient.login(
        username="user", password="password", login_url=origin, config=CONFIG, hosts=[HOST]
    )
    async with client:
        assert "Authorization" in await client.secrets(URL(f"https://{HOST}/a"))


async def _request_sas_token(origin: str) -> None:
    config = CONFIG.copy()
    config.sas_token_endpoint = f"{origin}/sas"
    async with await PlanetaryComputerClient.from_config(config) as client:
        signed = await client.prepare(URL("https://account.blob.core.windows.net/box/a.tif"))
    assert signed.query["sig"] == "t"


async def _search(origin: str) -> None:
    def search() -> None:
        api = ApiIO(origin, 30)
        for _ in range(2):
            response = api.send(ApiRequest(f"{origin}/search"))
            assert response.document == {"features": []}

    await asyncio.to_thread(search)


Read = Callable[[str], Awaitable[None]]
READS: dict[str, Read] = {
    "http": _read_by_http,
    "s3": _read_by_s3,
    "oauth2": _request_oauth2_token,
    "earthdata": _log_in_to_earthdata,
    "planetary-computer": _request_sas_token,
    "search": _search,
}
"""Functions that send a request to an origin, by name."""

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[TlsServer]:
    """Run a server without TLS."""
    running = TlsServer()
    async with serve_handler(running.answer) as running.port:
        yield running


@pytest.fixture
async def tls_server(server_context: ssl.SSLContext) -> AsyncIterator[TlsServer]:
    """Run a server with a certificate of a private CA."""
    running = TlsServer()
    async with serve_handler(running.answer, server_context) as running.port:
        yield running


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    """Run a proxy."""
    async with forward_proxy() as running:
        yield running
