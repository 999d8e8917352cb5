"""The S3 client against rclone (signed), moto (access) and an origin that misbehaves."""

from __future__ import annotations

import asyncio
import inspect
import logging
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import botocore.session
import pystac
import pytest
from aiobotocore.session import AioSession
from botocore.config import Config as BotocoreConfig
from yarl import URL

from stac_asset import Config, download_item
from stac_asset.clients import Client, Request, S3Client
from stac_asset.errors import (
    AccessError,
    ConfigError,
    ConnectionFailedError,
    ContentTypeError,
    HrefError,
    NotFoundError,
    ResponseError,
    SchemeError,
    StalledError,
    TransferError,
    TruncatedError,
    UnexpectedError,
)
from stac_asset.hrefs import parse_href
from stac_asset.plan.storage_extension import storage_of
from stac_asset.testing import (
    Changed,
    ClientContract,
    IgnoreRange,
    NoHead,
    Origin,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongRange,
)
from stac_asset.types import Storage
from tests.chains import described
from tests.clients.loopback import speaking
from tests.servers import free_port, moto_s3, rclone_s3

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
SIZE = 300_000
HREF = "s3://bucket/a.bin"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials are found, whatever the machine has."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials stand in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def token(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with a session token, which travels with each signed request."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@dataclass
class Bucket:
    """A bucket of moto, written to with botocore itself."""

    endpoint: str
    client: Any
    name: ClassVar[str] = "my.bucket"

    def put(
        self, key: str, data: bytes, content_type: str | None = None, public: bool = True
    ) -> str:
        extra = {"ContentType": content_type} if content_type else {}
        extra |= {"ACL": "public-read"} if public else {}
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **extra)
        return f"s3://{self.name}/{key}"


@dataclass
class Folder:
    """A bucket of rclone, written to by its folder."""

    endpoint: str
    path: Path
    name: ClassVar[str] = "other.bucket"

    def put(self, key: str, data: bytes, content_type: str | None = None) -> str:
        path = self.path / self.name / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"s3://{self.name}/{key}"


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A bucket that answers signed requests only."""
    path = tmp_path_factory.mktemp("rclone")
    (path / Folder.name).mkdir()
    with rclone_s3(path, KEY, SECRET, changes=True) as endpoint:
        yield Folder(endpoint, path)


@pytest.fixture(scope="module")
def moto() -> Iterator[Bucket]:
    """A bucket with public objects, and private ones."""
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET)
    config = BotocoreConfig(s3={"addressing_style": "path"})
    with moto_s3() as endpoint:
        client: Any = session.create_client("s3", "us-east-1", endpoint_url=endpoint, config=config)
        client.create_bucket(Bucket=Bucket.name)
        yield Bucket(endpoint, client)
        client.close()


@pytest.fixture
def moto_with_access_control(moto: Bucket) -> Iterator[Bucket]:
    """The same while credentials are checked; nobody has any that are valid."""
    url = f"{moto.endpoint}/moto-api/reset-auth"
    headers = {"Content-Type": "text/plain"}
    # How many requests pass unchecked.
    urllib.request.urlopen(urllib.request.Request(url, b"0", headers)).close()
    yield moto
    urllib.request.urlopen(urllib.request.Request(url, b"inf", headers)).close()


@asynccontextmanager
async def _client(
    endpoint: str | Origin | Bucket | Folder, **kwargs: Any
) -> AsyncIterator[S3Client]:
    url = endpoint.url if isinstance(endpoint, Origin) else getattr(endpoint, "endpoint", endpoint)
    defaults = {"endpoint_url": url, "max_attempts": 1, "retry_mode": "standard"}
    async with S3Client(**{**defaults, **kwargs}) as client:
        yield client


async def _read(client: Client, href: str, **kwargs: Any) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href, **kwargs)])


async def _fetch(
    client: Client, storage: Storage | None = None, **kwargs: Any
) -> tuple[int, bytes]:
    async with client.fetch(Request(parse_href(HREF), storage=storage, **kwargs)) as response:
        return response.offset, b"".join([chunk async for chunk in response.chunks])


def _count_connections(client: S3Client) -> list[str]:
    """Returns a list that gets an entry for each client that aiobotocore makes."""
    made: list[str] = []
    client.session.register("creating-client-class.s3", lambda **_: made.append("s3"))
    return made


def _error(code: str, more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code>{more}</Error>".encode()


class TestSigned(ClientContract):
    """rclone: every request must be signed. It guesses content types from names."""

    has_content_types = False
    secrets: tuple[str, ...] = (SECRET, KEY)

    @pytest.fixture(autouse=True)
    def _serve(self, rclone: Folder, credentials: None) -> None:
        self.bucket: Bucket | Folder = rclone

    async def make_client(self) -> Client:
        return S3Client(endpoint_url=self.bucket.endpoint, max_attempts=2)

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        return self.bucket.put(name, data, content_type)

    def missing_href(self) -> str:
        return f"s3://{self.bucket.name}/missing.bin"

    def foreign_href(self) -> str:
        return f"https://{self.bucket.name}.s3.amazonaws.com/missing.bin"


class TestUnsigned(TestSigned):
    """moto: public objects, asked for without credentials, of any content type."""

    has_content_types = True
    secrets: tuple[str, ...] = ()

    @pytest.fixture(autouse=True)
    def _serve(self, moto: Bucket) -> None:
        self.bucket = moto


class TestApi:
    async def test_it_has_the_documented_arguments_and_attributes(self) -> None:
        parameters = list(inspect.signature(S3Client).parameters.values())[:5]
        assert [(p.name, p.default) for p in parameters] == [
            ("requester_pays", False),
            ("region_name", "us-west-2"),
            ("retry_mode", "adaptive"),
            ("max_attempts", 10),
            ("endpoint_url", None),
        ]
        client = S3Client(True, "eu-central-1", "standard", 3, "https://s3.example.com")
        assert isinstance(client.session, AioSession)
        assert client.requester_pays
        assert (client.region_name, client.retry_mode) == ("eu-central-1", "standard")
        assert (client.max_attempts, client.endpoint_url) == (3, "https://s3.example.com")

    async def test_it_is_made_from_a_config(self) -> None:
        config = Config(
            s3_requester_pays=True,
            s3_region_name="eu-north-1",
            s3_retry_mode="legacy",
            s3_max_attempts=2,
            s3_endpoint_url="http://localhost:9000",
            http_check_content_type=False,
            http_read_timeout=7,
        )
        client = await S3Client.from_config(config)
        assert client.requester_pays
        assert (client.region_name, client.retry_mode) == ("eu-north-1", "legacy")
        assert (client.max_attempts, client.endpoint_url) == (2, "http://localhost:9000")
        assert (client.check_content_type, client.read_timeout) == (False, 7)

    def test_importing_the_library_does_not_import_aiobotocore(self) -> None:
        code = "import stac_asset, sys; sys.exit('botocore' in ' '.join(sys.modules))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    async def test_it_says_whether_there_are_credentials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not await S3Client().has_credentials()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert await S3Client().has_credentials()

    async def test_an_endpoint_that_is_no_url_is_a_config_error(self) -> None:
        with pytest.raises(ConfigError, match=r"'localhost:9000' is no http\(s\) URL"):
            S3Client(endpoint_url="localhost:9000")

    async def test_a_region_that_is_none_is_a_config_error(self, origin: Origin) -> None:
        async with _client(origin, region_name="no region") as client:
            with pytest.raises(ConfigError, match="no region"):
                await _read(client, HREF)

    async def test_another_scheme_is_an_error(self, origin: Origin) -> None:
        async with _client(origin) as client:
            with pytest.raises(SchemeError, match="no s3 url"):
                await _read(client, "https://example.com/a.tif")

    @pytest.mark.parametrize("href", ["s3://bucket", "s3://bucket/", "s3://b!d/key"])
    async def test_an_href_of_no_object_is_an_error(self, href: str, origin: Origin) -> None:
        async with _client(origin) as client:
            with pytest.raises(HrefError):
                await _read(client, href)
        assert not origin.requests

    async def test_a_closed_client_is_closed(self, origin: Origin) -> None:
        async with _client(origin) as client:
            await client.assert_href_exists(HREF)
        with pytest.raises(UnexpectedError, match="closed"):
            await client.assert_href_exists(HREF)


KEYS = [
    "a b.tif",
    "a#b.tif",
    "a?b=c.tif",
    "a%20b.tif",
    "%2F.tif",
    "größe ✓.tif",
    "a+b&c=d;e.tif",
    "[1]{2}'~!*().tif",
    " spaces ",
    "dir/sub/a.tif",
]
ODD_PATHS = ["/first", "a//b.tif", "a/../b.tif", "a/./b.tif"]
"""What a file system cannot have, nor rclone."""


class TestHrefs:
    @pytest.mark.parametrize("key", KEYS)
    async def test_a_key_is_any_text(self, key: str, rclone: Folder, credentials: None) -> None:
        href = rclone.put(key, key.encode())
        async with _client(rclone) as client:
            assert await _read(client, href) == key.encode()
            assert (await client.stat(Request(parse_href(href)))).size == len(key.encode())

    @pytest.mark.parametrize("key", [*KEYS, *ODD_PATHS])
    async def test_a_key_is_not_normalized(self, key: str, moto: Bucket) -> None:
        href = moto.put(key, key.encode())
        async with _client(moto) as client:
            assert await _read(client, href) == key.encode()

    async def test_a_url_of_ones_own_names_what_it_says(self, moto: Bucket) -> None:
        for key, url in [
            ("a b.txt", URL("s3://my.bucket/a b.txt")),
            ("a?b#c", URL("s3://my.bucket/a?b#c")),
        ]:
            moto.put(key, key.encode())
            async with _client(moto) as client:
                assert b"".join([c async for c in client.open_url(url)]) == key.encode()

    @pytest.mark.parametrize("key", KEYS)
    async def test_an_error_names_the_href(self, key: str, moto: Bucket) -> None:
        async with _client(moto) as client:
            with pytest.raises(NotFoundError) as caught:
                await _read(client, f"s3://my.bucket/missing/{key}")
        assert f"s3://my.bucket/missing/{key.partition('?')[0]}" in str(caught.value)


class TestSigning:
    async def test_requests_are_unsigned_where_no_credentials_are_found(
        self, origin: Origin
    ) -> None:
        async with _client(origin) as client:
            await _fetch(client)
        assert "authorization" not in origin.gets()[0].headers

    async def test_requests_are_signed_where_credentials_are_found(
        self, origin: Origin, token: None
    ) -> None:
        async with _client(origin) as client:
            await _fetch(client)
        headers = origin.gets()[0].headers
        assert f"Credential={KEY}/" in headers["authorization"]
        assert "/us-west-2/s3/" in headers["authorization"]
        assert headers["x-amz-security-token"] == TOKEN
        assert "x-amz-request-payer" not in headers

    async def test_an_item_says_the_region(self, origin: Origin, credentials: None) -> None:
        async with _client(origin) as client:
            await _fetch(client, Storage(region="eu-central-1"))
            await _fetch(client, Storage(region="not a region"))
        first, second = (request.headers["authorization"] for request in origin.gets())
        assert "/eu-central-1/s3/" in first
        assert "/us-west-2/s3/" in second

    async def test_an_endpoint_that_only_an_item_names_gets_no_credentials(
        self, origin: Origin, token: None
    ) -> None:
        with Origin() as own:
            for endpoint in (None, own.url):
                async with S3Client(endpoint_url=endpoint, requester_pays=True) as client:
                    await _fetch(client, Storage(endpoint=origin.url))
            assert not own.requests
        for request in origin.gets():
            assert not {"authorization", "x-amz-security-token"} & set(request.headers)
            assert "x-amz-request-payer" not in request.headers
            assert KEY not in str(request)

    async def test_an_endpoint_that_the_client_names_too_gets_credentials(
        self, origin: Origin, credentials: None
    ) -> None:
        async with _client(origin) as client:
            made = _count_connections(client)
            await _fetch(client, Storage(endpoint=f"{origin.url}/"))
            await _fetch(client, Storage(endpoint=origin.url.upper().replace("HTTP", "http")))
            await _fetch(client)
        assert all(KEY in request.headers["authorization"] for request in origin.gets())
        assert len(made) == 1

    async def test_another_scheme_or_path_is_another_endpoint(
        self, origin: Origin, credentials: None
    ) -> None:
        async with S3Client(endpoint_url=origin.url.replace("http:", "https:")) as client:
            await _fetch(client, Storage(endpoint=origin.url))
        async with S3Client(endpoint_url=f"{origin.url}/s3") as client:
            await _fetch(client, Storage(endpoint=origin.url))
        assert not [r for r in origin.gets() if "authorization" in r.headers]

    async def test_what_is_private_is_read_with_credentials(
        self, moto: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        href = moto.put("private.bin", b"x", public=False)
        async with _client(moto) as client:
            with pytest.raises(AccessError, match="without credentials, because none were found"):
                await _read(client, href)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        async with _client(moto) as client:
            assert await _read(client, href) == b"x"

    async def test_what_is_public_is_not_read_with_bad_credentials(
        self, moto_with_access_control: Bucket, credentials: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        href = f"s3://{moto_with_access_control.name}/public.bin"
        async with _client(moto_with_access_control) as client:
            with pytest.raises(AccessError, match=r"\(InvalidAccessKeyId\) using the AWS"):
                await _read(client, href)
            with pytest.raises(AccessError, match=r"\(InvalidAccessKeyId\) using the AWS"):
                await client.assert_href_exists(href)

    async def test_credentials_that_cannot_be_used_are_an_error(
        self, origin: Origin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        async with _client(origin) as client:
            with pytest.raises(AccessError, match=r"credentials are invalid: .*nobody"):
                await _fetch(client)

    async def test_a_redirect_takes_no_credentials_elsewhere(
        self, origin: Origin, token: None
    ) -> None:
        with Origin() as other:
            origin.fault("/bucket/a.bin", Redirect(other.href("/bucket/a.bin"), 307), times=0)
            async with _client(origin) as client:
                with pytest.raises(TransferError, match=r"at another endpoint \(307\)"):
                    await _fetch(client)
            assert not other.requests


class TestRequesterPays:
    async def test_whoever_has_credentials_pays(self, origin: Origin, credentials: None) -> None:
        origin.require("x-amz-request-payer", "requester", status=403)
        async with _client(origin, requester_pays=True) as client:
            await client.assert_href_exists(HREF)
            await _fetch(client)
            await _fetch(client, offset=1, validator='"other"')
        async with _client(origin) as client:
            with pytest.raises(AccessError):
                await _fetch(client)

    async def test_whoever_has_none_is_told_so(self, origin: Origin) -> None:
        async with _client(origin, requester_pays=True) as client:
            with pytest.raises(AccessError) as caught:
                await _fetch(client)
            with pytest.raises(AccessError):
                await client.assert_href_exists(HREF)
        assert str(caught.value) == (
            "Requester pays is enabled for s3://bucket/a.bin, but no AWS credentials were found. "
            "Configure credentials or set `s3_requester_pays=False`."
        )
        assert not origin.requests

    async def test_nobody_pays_because_an_item_says_so(
        self, origin: Origin, credentials: None
    ) -> None:
        origin.require("x-amz-request-payer", "requester", status=403)
        async with _client(origin) as client:
            with pytest.raises(AccessError, match="set s3_requester_pays=True if you will"):
                await _fetch(client, Storage(requester_pays=True))


class TestConnections:
    async def test_one_for_each_place_and_signing(self, origin: Origin, credentials: None) -> None:
        with Origin() as other:
            places = [
                None,
                Storage(region="us-west-2"),
                Storage(region="eu-central-1"),
                Storage(endpoint=other.url),
            ]
            async with _client(origin) as client:
                made = _count_connections(client)
                await asyncio.gather(*(_fetch(client, place) for place in places * 10))
        assert len(made) == 3

    async def test_closing_ends_them(self) -> None:
        ended = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
            await reader.read()
            writer.close()
            ended.set()

        server = await asyncio.start_server(answer, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        endpoint, request = f"http://127.0.0.1:{port}", Request(parse_href(HREF))
        async with server, _client(endpoint) as client, client.fetch(request):
            await client.close()
            await asyncio.wait_for(ended.wait(), 240)

    async def test_many_bodies_are_open_at_once(self, origin: Origin) -> None:
        origin.fault("*", Stall(after=1000), times=0)
        async with _client(origin) as client:
            for number in range(60):
                origin.put(f"/bucket/{number}", size=2000)
            responses = [
                client.fetch(Request(parse_href(f"s3://bucket/{number}"))) for number in range(60)
            ]
            await asyncio.gather(*(response.__aenter__() for response in responses))
            assert origin.in_flight == 60
            for response in responses:
                await response.__aexit__(None, None, None)

    async def test_the_engine_downloads_over_one(
        self, rclone: Folder, credentials: None, tmp_path: Path, config: Config
    ) -> None:
        item = pystac.Item("item", None, None, NOW, {})
        expected = {f"{number:02}.bin": bytes([number]) * 1000 for number in range(50)}
        for name, data in expected.items():
            item.add_asset(name, pystac.Asset(rclone.put(f"many/{name}", data)))
        async with _client(rclone) as client:
            made = _count_connections(client)
            await download_item(item, tmp_path / "a", config=config, clients=[client])
            await download_item(item, tmp_path / "b", config=config, clients=[client])
        assert len(made) == 1
        config.s3_endpoint_url = rclone.endpoint
        await download_item(item, tmp_path / "c", config=config)
        for folder in "abc":
            read = {p.name: p.read_bytes() for p in (tmp_path / folder).glob("*.bin")}
            assert read == expected

    async def test_the_engine_passes_what_an_item_says(
        self, origin: Origin, tmp_path: Path, credentials: None, config: Config
    ) -> None:
        scheme = {"type": "custom-s3", "platform": origin.url, "region": "eu-de"}
        item = pystac.Item("item", None, None, NOW, {})
        item.properties["storage:schemes"] = {"store": scheme}
        item.add_asset("a", pystac.Asset(HREF, extra_fields={"storage:refs": ["store"]}))
        await download_item(item, tmp_path, config=config)
        assert (tmp_path / "a.bin").read_bytes() == origin.content("/bucket/a.bin")
        assert "authorization" not in origin.gets()[0].headers


class TestResume:
    @pytest.fixture(autouse=True)
    def _put(self, origin: Origin) -> None:
        origin.put("/bucket/a.bin", size=SIZE)

    async def _download(self, origin: Origin, path: Path, config: Config) -> None:
        config.s3_endpoint_url, config.s3_max_attempts = origin.url, 2
        item = pystac.Item("item", None, None, NOW, {})
        item.add_asset("a", pystac.Asset(HREF))
        await download_item(item, path, config=config)
        assert (path / "a.bin").read_bytes() == origin.content("/bucket/a.bin")

    @pytest.mark.parametrize("fault", [Truncate(200_000), Reset(200_000)])
    async def test_a_body_that_broke_off_is_continued(
        self, fault: Truncate | Reset, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", fault)
        await self._download(origin, tmp_path, config)
        first, second = origin.gets()
        assert first.range is None
        start = int((second.range or "")[len("bytes=") : -1])
        assert 64 * 1024 <= start <= 200_000
        assert second.headers["if-match"].startswith('"')
        assert second.body_sent == SIZE - start

    async def test_another_version_is_begun_anew(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", Changed())
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 412, 200]

    async def test_a_service_without_ranges_sends_all(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", IgnoreRange())
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 200]

    async def test_another_range_is_not_taken(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", WrongRange(-1000))
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 206, 200]

    async def test_what_is_past_the_end_is_begun_anew(self, origin: Origin) -> None:
        async with _client(origin) as client:
            async with client.fetch(Request(parse_href(HREF))) as response:
                validator = response.validator
            offset, data = await _fetch(client, offset=SIZE, validator=validator)
        assert (offset, data) == (0, origin.content("/bucket/a.bin"))
        assert [request.status for request in origin.gets()] == [200, 416, 200]


class TestAttempts:
    @pytest.mark.parametrize("mode", ["adaptive", "standard", "legacy"])
    async def test_botocore_repeats_a_request(self, mode: str, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(503, body=_error("SlowDown")))
        async with _client(origin, max_attempts=2, retry_mode=mode) as client:
            await _fetch(client)
        assert [request.status for request in origin.gets()] == [503, 200]

    async def test_botocore_repeats_a_connection(self, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Reset(-1))
        async with _client(origin, max_attempts=2) as client:
            await _fetch(client)
        assert len(origin.gets()) == 2

    async def test_its_attempts_and_the_engines_add_up_and_do_not_multiply(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Status(503, body=_error("SlowDown")), times=0)
        config.s3_endpoint_url, config.s3_retry_mode = origin.url, "standard"
        config.s3_max_attempts, config.http_max_attempts = 3, 4
        item = pystac.Item("item", None, None, NOW, {})
        item.add_asset("a", pystac.Asset(HREF))
        config.fail_fast = True
        with pytest.raises(ResponseError, match=r"503 SlowDown for s3://bucket/a\.bin"):
            await download_item(item, tmp_path, config=config)
        assert len(origin.gets()) == 3 + (4 - 1)

    async def test_what_answered_again_has_all_its_attempts_again(self, origin: Origin) -> None:
        slow = Status(503, body=_error("SlowDown"))
        async with _client(origin, max_attempts=2) as client:
            origin.fault("/bucket/a.bin", slow, times=2)
            with pytest.raises(ResponseError):
                await _fetch(client)
            await _fetch(client)
            origin.fault("/bucket/a.bin", slow)
            await _fetch(client)
        assert [request.status for request in origin.gets()] == [503, 503, 200, 503, 200]


ANSWERS: list[tuple[int, str, type[Exception], bool, str]] = [
    (404, "NoSuchKey", NotFoundError, False, "s3://bucket/a.bin does not exist"),
    (404, "NoSuchBucket", NotFoundError, False, r"does not exist \(NoSuchBucket\)"),
    (403, "AccessDenied", AccessError, False, r"\(AccessDenied\) using the AWS"),
    (403, "InvalidAccessKeyId", AccessError, False, r"\(InvalidAccessKeyId\) using the AWS"),
    (403, "SignatureDoesNotMatch", AccessError, False, "SignatureDoesNotMatch"),
    (403, "InvalidObjectState", AccessError, False, "is archived. Restore the object"),
    (400, "ExpiredToken", AccessError, False, "the AWS credentials expired"),
    (400, "RequestTimeout", StalledError, True, "RequestTimeout"),
    (400, "ThrottlingException", ResponseError, True, "429 ThrottlingException"),
    (429, "TooManyRequests", ResponseError, True, "429 TooManyRequests for s3://bucket/a.bin"),
    (500, "InternalError", ResponseError, True, "500 InternalError"),
    (503, "SlowDown", ResponseError, True, "503 SlowDown"),
    (503, "ServiceUnavailable", ResponseError, True, "503 ServiceUnavailable"),
    (400, "InvalidRequest", ResponseError, False, "400 InvalidRequest"),
    (502, "no xml <b>", ResponseError, True, "502"),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "code", "kind", "transient", "text"), ANSWERS)
    async def test_an_answer_becomes_an_error_of_ours(
        self,
        status: int,
        code: str,
        kind: type[Exception],
        transient: bool,
        text: str,
        origin: Origin,
        token: None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        told = f"<Message>{TOKEN}</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
        origin.fault("/bucket/a.bin", Status(status, body=_error(code, told)), times=0)
        caplog.set_level(logging.DEBUG)
        async with _client(origin) as client:
            with pytest.raises(kind, match=text) as caught:
                await _fetch(client)
            with pytest.raises(TransferError):
                await client.assert_href_exists(HREF)
        error = caught.value
        assert isinstance(error, TransferError)
        assert error.transient is transient
        for secret in (SECRET, TOKEN, KEY):
            assert secret not in described(error) + caplog.text

    async def test_an_expired_token_is_recognized_by_a_head_too(
        self, origin: Origin, token: None
    ) -> None:
        origin.fault("/bucket/a.bin", Status(400, body=_error("ExpiredToken")), times=0)
        async with _client(origin) as client:
            with pytest.raises(AccessError, match="the AWS credentials expired"):
                await client.assert_href_exists(HREF)

    async def test_a_wish_to_wait_is_kept(self, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(503, retry_after=7), times=0)
        async with _client(origin) as client:
            with pytest.raises(ResponseError) as caught:
                await _fetch(client)
        assert caught.value.retry_after == 7

    async def test_nobody_listens(self) -> None:
        async with _client(f"http://127.0.0.1:{free_port()}") as client:
            with pytest.raises(
                ConnectionFailedError, match=r"s3://bucket/a\.bin cannot be reached"
            ):
                await _fetch(client)

    async def test_an_endpoint_that_does_not_speak_http(self) -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server, _client(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ConnectionFailedError):
                await _fetch(client)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nSet-Cookie %s\r\n\r\n",
            b"%s\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://x/?sig=%s" + b"A" * 9000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: session=%s\r\n",
            b"HTTP/1.1 301 Moved\r\nContent-Length: 40\r\n\r\n<Error>%s and so on",
            b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Error>%s",
            b"",
        ],
        ids=["cookie", "status line", "location", "half a head", "half a body", "XML", "nothing"],
    )
    async def test_a_garbled_answer_shows_neither_itself_nor_the_request(
        self, answer: bytes, token: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        planted = b"pl4nt3d-s3cr3t"
        answer = answer.replace(b"%s", planted)
        async with speaking(answer) as server, _client(server.url) as client:
            with pytest.raises(TransferError, match=r"s3://bucket/a\.bin") as caught:
                await _fetch(client)
        assert TOKEN.encode() in server.heads[0]
        said = described(caught.value) + caplog.text
        for secret in (SECRET, TOKEN, KEY, planted.decode(), "Signature="):
            assert secret not in said
        if answer and b"<Error>" not in answer:
            assert caught.value.transient

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Reset(-1), ConnectionFailedError),
            (Reset(10), TransferError),
            (Truncate(10), TruncatedError),
            (Stall(0), StalledError),
            (Stall(10), StalledError),
        ],
    )
    async def test_a_broken_transfer_is_transient(
        self,
        fault: Reset | Truncate | Stall,
        kind: type[TransferError],
        origin: Origin,
        token: None,
    ) -> None:
        origin.put("/bucket/a.bin", size=1000)
        origin.fault("/bucket/a.bin", fault, times=0)
        patience = 0.3 if isinstance(fault, Stall) else 60
        async with _client(origin, read_timeout=patience) as client:
            with pytest.raises(kind, match=r"s3://bucket/a\.bin") as caught:
                await _fetch(client)
        assert caught.value.transient
        for secret in (SECRET, TOKEN, KEY):
            assert secret not in described(caught.value)

    async def test_bytes_that_do_not_have_s3s_checksum_are_an_error(self, origin: Origin) -> None:
        damaged = Status(200, headers={"x-amz-checksum-crc32": "AAAAAA=="}, body=b"damaged")
        origin.fault("/bucket/a.bin", damaged)
        async with _client(origin) as client:
            with pytest.raises(TruncatedError, match="arrived damaged"):
                await _fetch(client)

    async def test_a_part_need_not_have_the_checksum_of_the_whole(self, origin: Origin) -> None:
        headers = {
            "x-amz-checksum-crc32": "AAAAAA==",
            "Content-Range": "bytes 3-6/7",
            "ETag": '"1"',
        }
        origin.fault("/bucket/a.bin", Status(206, headers=headers, body=b"part"))
        async with _client(origin) as client:
            assert await _fetch(client, offset=3, validator='"1"') == (3, b"part")

    async def test_a_wrong_content_type_can_be_a_warning(
        self, origin: Origin, caplog: pytest.LogCaptureFixture
    ) -> None:
        origin.put("/bucket/a.bin", b"<html>", content_type="text/html")
        async with _client(origin) as client:
            with pytest.raises(ContentTypeError):
                await _read(client, HREF, content_type="image/tiff")
        async with _client(origin, check_content_type=False) as client:
            assert await _read(client, HREF, content_type="image/tiff") == b"<html>"
        assert "text/html" in caplog.text
        origin.put("/bucket/a.bin", b"II*", content_type="binary/octet-stream")
        async with _client(origin) as client:
            assert await _read(client, HREF, content_type="image/tiff") == b"II*"


class TestStat:
    @pytest.mark.parametrize("status", [403, 405, 501])
    async def test_a_service_may_refuse_head(self, status: int, origin: Origin) -> None:
        origin.put("/bucket/a.bin", size=SIZE, content_type="image/tiff")
        origin.put("/bucket/empty", b"")
        origin.fault("*", NoHead(status), times=0)
        async with _client(origin) as client:
            stat = await client.stat(Request(parse_href(HREF)))
            assert (stat.size, stat.content_type) == (SIZE, "image/tiff")
            assert origin.gets()[0].range == "bytes=0-0"
            assert (await client.stat(Request(parse_href("s3://bucket/empty")))).size == 0

    async def test_another_error_is_not_asked_twice(self, origin: Origin) -> None:
        origin.remove("/bucket/a.bin")
        async with _client(origin) as client:
            assert not await client.href_exists(HREF)
        assert not origin.gets()


class TestRegions:
    @pytest.mark.parametrize(
        "answer",
        [
            Status(301, headers={"x-amz-bucket-region": "eu-west-3"}, body=_error("Any")),
            Status(301, body=_error("PermanentRedirect", "<Region>eu-west-3</Region>")),
            Status(400, body=_error("AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>")),
        ],
    )
    async def test_the_region_that_s3_names_is_asked(
        self, answer: Status, origin: Origin, credentials: None
    ) -> None:
        origin.fault("/bucket/a.bin", answer)
        async with _client(origin) as client:
            await _fetch(client)
            await _fetch(client)
        regions = [r.headers["authorization"].split("/")[2] for r in origin.gets()]
        assert regions == ["us-west-2", "eu-west-3", "eu-west-3"]

    async def test_an_answer_without_a_region_is_an_error(self, origin: Origin) -> None:
        origin.fault("*", Status(301, body=_error("PermanentRedirect")), times=0)
        async with _client(origin) as client:
            with pytest.raises(TransferError, match="PermanentRedirect and does not name another"):
                await _fetch(client)


class TestStorage:
    def test_a_scheme_of_version_2(self) -> None:
        schemes = {
            "azure": {"type": "ms-azure", "platform": "https://x.example", "region": "westeurope"},
            "aws": {
                "type": "aws-s3",
                "platform": "https://{bucket}.s3.{region}.amazonaws.com",
                "region": "eu-central-1",
                "requester_pays": True,
            },
            "own": {
                "type": "custom-s3",
                "platform": "https://{bucket}.{region}.{provider}.example/",
                "region": "eu-de",
                "provider": "cloud",
            },
            "bad": {"type": "custom-s3", "platform": "https://user:secret@example.com"},
        }

        def found(*refs: str) -> Storage | None:
            return storage_of({"storage:refs": [*refs]}, {}, {"storage:schemes": schemes})

        assert found("azure", "aws") == Storage("eu-central-1", None, True)
        assert found("own") == Storage("eu-de", "https://eu-de.cloud.example")
        assert found("bad") == Storage()
        assert found("azure") is None

    def test_the_fields_of_version_1(self) -> None:
        aws = {"storage:platform": "AWS", "storage:region": "us-west-2"}
        assert storage_of(aws, {}, {}) == Storage("us-west-2")
        azure = {"storage:platform": "AZURE", "storage:region": "westeurope"}
        assert storage_of({}, azure, aws) == Storage(None)
