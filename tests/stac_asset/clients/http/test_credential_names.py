"""Names of credentials in the errors of refused requests."""

from __future__ import annotations

import pickle

import pytest

from stac_asset import Config, HttpClient
from stac_asset.clients import Client, Request
from stac_asset.clients.http.session import session_from_config
from stac_asset.errors import CredentialError, NotFoundError, TruncatedError
from stac_asset.hrefs import parse_href
from stac_asset.testing import ClientContract, Origin, Status, Truncate
from tests.support.client_reads import read_bytes


class TestNamedCredentials(ClientContract):
    """Contract of a client with named credentials."""

    @pytest.fixture(autouse=True)
    def _serve(self, origin: Origin) -> None:
        self.origin = origin
        origin.remove("/missing.bin")

    async def make_client(self) -> Client:
        client = HttpClient(session_from_config(Config()), hosts=[self.origin.url])
        client.credentials = "block 'x/mine'"
        return client

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        return self.origin.put(f"/{name}", data, content_type=content_type)

    def missing_href(self) -> str:
        return self.origin.href("/missing.bin")

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"

    @pytest.mark.parametrize("status", [401, 403])
    async def test_refusal_contains_name_of_credentials_and_host(self, status: int) -> None:
        href = self.origin.put("/a.bin", b"x")
        self.origin.fault("/a.bin", Status(status), times=0)
        async with await self.make_client() as client:
            for operation in (read_bytes(client, href), client.stat(Request(parse_href(href)))):
                with pytest.raises(CredentialError) as caught:
                    await operation
                host = f"127.0.0.1:{self.origin.port}"
                assert str(caught.value).startswith(
                    f"block 'x/mine' was refused by {host}: {status}"
                )
                restored = pickle.loads(pickle.dumps(caught.value))
                assert (str(restored), restored.transient) == (str(caught.value), False)

    async def test_other_errors_keep_their_type(self) -> None:
        href = self.origin.put("/a.bin", b"x" * 1000)
        self.origin.fault("/a.bin", Truncate(10))
        async with await self.make_client() as client:
            with pytest.raises(TruncatedError):
                await read_bytes(client, href)
            with pytest.raises(NotFoundError):
                await read_bytes(client, self.missing_href())
