"""Contract of the filesystem and HTTP clients, and contract failures of broken clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from stac_asset.clients import Client, FilesystemClient, HttpClient, Request, Response, Stat
from stac_asset.config import Config
from stac_asset.errors import NotFoundError
from stac_asset.testing import ClientContract, Origin

SECRET = "7ruly-s3cret"


class TestFilesystemClient(ClientContract):
    has_content_types = False

    @pytest.fixture(autouse=True)
    def _serve(self, tmp_path: Path) -> None:
        self.serve(tmp_path)

    def serve(self, folder: Path) -> None:
        self.folder = folder

    async def make_client(self) -> Client:
        return FilesystemClient()

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def missing_href(self) -> str:
        return str(self.folder / "missing.bin")

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"


class TestFileUrls(TestFilesystemClient):
    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return path.as_uri()

    def missing_href(self) -> str:
        return (self.folder / "missing.bin").as_uri()


class TestHttpClient(ClientContract):
    secrets = (SECRET,)

    @pytest.fixture(autouse=True)
    def _serve(self, origin: Origin) -> None:
        self.serve(origin)

    def serve(self, origin: Origin) -> None:
        self.origin = origin
        origin.remove("/missing.bin")
        origin.require("X-Api-Key", SECRET)

    async def make_client(self) -> Client:
        return await HttpClient.from_config(Config(http_headers={"X-Api-Key": SECRET}))

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        href = self.origin.put(name, data, content_type=content_type)
        return f"{href}?signature={SECRET}"

    def missing_href(self) -> str:
        return f"{self.origin.href('missing.bin')}?signature={SECRET}"

    def foreign_href(self) -> str:
        return "s3://bucket/file.bin"


class _ClaimsAllUrls(HttpClient):
    def claims(self, url: URL) -> bool:
        return True


class _TruncatesBody(HttpClient):
    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        async with super().fetch(request) as response:
            data = b"".join([chunk async for chunk in response.chunks])
            response.chunks = _single_chunk(data[:-1])
            yield response


class _IgnoresOffset(HttpClient):
    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        async with super().fetch(Request(request.url, request.content_type)) as response:
            yield response


class _IgnoresValidator(HttpClient):
    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        async with super().fetch(Request(request.url, request.content_type)) as response:
            data = b"".join([chunk async for chunk in response.chunks])
            yield Response(
                _single_chunk(data[request.offset :]), request.offset, response.size, '"any"'
            )


class _RaisesKeyError(HttpClient):
    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        try:
            async with super().fetch(request) as response:
                yield response
        except NotFoundError as error:
            raise KeyError("missing") from error


class _LeaksQuery(HttpClient):
    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        try:
            async with super().fetch(request) as response:
                yield response
        except NotFoundError:
            raise NotFoundError(f"{request.url} is missing") from None


class _SendsNoMessage(HttpClient):
    async def open_url(self, url: URL, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        async for chunk in super().open_url(url):
            yield chunk


class _DoesNotClose(HttpClient):
    async def close(self) -> None:
        pass


class _LeavesFilesOpen(FilesystemClient):
    async def open_url(self, url: URL, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        file = open(url.path, "rb")  # noqa: SIM115 - the contract has to detect the open file
        while chunk := file.read(1000):
            yield chunk


class _OmitsSize(HttpClient):
    async def stat(self, request: Request) -> Stat:
        return Stat()


async def _single_chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data


class TestBrokenClients:
    """The contract tests fail for clients that violate the contract."""

    @pytest.mark.parametrize(
        ("kind", "test"),
        [
            (_ClaimsAllUrls, "claims_only_own_hrefs"),
            (_TruncatesBody, "yields_all_bytes"),
            (_IgnoresOffset, "fetch_continues_the_same_version"),
            (_IgnoresValidator, "fetch_restarts_for_another_version"),
            (_RaisesKeyError, "missing_file_is_an_error"),
            (_LeaksQuery, "no_secret_is_shown"),
            (_SendsNoMessage, "open_url_message_is_sent"),
            (_OmitsSize, "stat_returns_size_and_type"),
            (_OmitsSize, "href_exists"),
            (_DoesNotClose, "client_is_a_context_manager"),
        ],
    )
    # Resources that a broken client leaks may be collected after the test.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_contract_fails_for_broken_http_client(
        self, kind: type[HttpClient], test: str, origin: Origin
    ) -> None:
        class Broken(TestHttpClient):
            async def make_client(self) -> Client:
                return await kind.from_config(Config(http_headers={"X-Api-Key": SECRET}))

        contract = Broken()
        contract.serve(origin)
        with pytest.raises(AssertionError):
            await getattr(contract, f"test_{test}")()

    async def test_contract_fails_for_file_left_open(self, tmp_path: Path) -> None:
        class Broken(TestFilesystemClient):
            async def make_client(self) -> Client:
                return _LeavesFilesOpen()

        contract = Broken()
        contract.serve(tmp_path)
        with pytest.raises(AssertionError, match="not closed"):
            await contract.test_abandoned_reads_do_not_leak()
