"""Contract, attributes, keys and file information of the S3 client."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from aiobotocore.session import AioSession
from yarl import URL

from stac_asset import Config
from stac_asset.clients import Client, Request, S3Client
from stac_asset.errors import ConfigError, HrefError, NotFoundError, SchemeError, UnexpectedError
from stac_asset.hrefs import parse_href
from stac_asset.testing import ClientContract, NoHead, Origin
from tests.support.client_reads import read_bytes
from tests.support.s3_buckets import HREF, KEY, SECRET, MotoBucket, RcloneBucket, s3_client

SIZE = 300_000


class TestSigned(ClientContract):
    """Contract against rclone, which requires signatures and derives content types from names."""

    has_content_types = False
    secrets: tuple[str, ...] = (SECRET, KEY)

    @pytest.fixture(autouse=True)
    def _serve(self, rclone: RcloneBucket, credentials: None) -> None:
        self.bucket: MotoBucket | RcloneBucket = rclone

    async def make_client(self) -> Client:
        return S3Client(endpoint_url=self.bucket.endpoint, max_attempts=2)

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        return self.bucket.put(name, data, content_type)

    def missing_href(self) -> str:
        return f"s3://{self.bucket.name}/missing.bin"

    def foreign_href(self) -> str:
        return f"https://{self.bucket.name}.s3.amazonaws.com/missing.bin"


class TestUnsigned(TestSigned):
    """Contract against public objects of moto, with any content type and without credentials."""

    has_content_types = True
    secrets: tuple[str, ...] = ()

    @pytest.fixture(autouse=True)
    def _serve(self, moto: MotoBucket) -> None:
        self.bucket = moto


class TestApi:
    async def test_constructor_has_documented_arguments_and_attributes(self) -> None:
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

    async def test_from_config_sets_attributes(self) -> None:
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

    def test_library_import_does_not_import_botocore(self) -> None:
        code = "import stac_asset, sys; sys.exit('botocore' in ' '.join(sys.modules))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    async def test_has_credentials_depends_on_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not await S3Client().has_credentials()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert await S3Client().has_credentials()

    async def test_invalid_endpoint_is_a_config_error(self) -> None:
        with pytest.raises(ConfigError, match=r"'localhost:9000' is not a valid http or https URL"):
            S3Client(endpoint_url="localhost:9000")

    async def test_invalid_region_is_a_config_error(self, origin: Origin) -> None:
        async with s3_client(origin, region_name="no region") as client:
            with pytest.raises(ConfigError, match="no region"):
                await read_bytes(client, HREF)

    async def test_other_scheme_is_an_error(self, origin: Origin) -> None:
        async with s3_client(origin) as client:
            with pytest.raises(SchemeError, match="is not an S3 URL"):
                await read_bytes(client, "https://example.com/a.tif")

    @pytest.mark.parametrize("href", ["s3://bucket", "s3://bucket/", "s3://b!d/key"])
    async def test_href_without_object_is_an_error(self, href: str, origin: Origin) -> None:
        async with s3_client(origin) as client:
            with pytest.raises(HrefError):
                await read_bytes(client, href)
        assert not origin.requests

    async def test_closed_client_refuses_requests(self, origin: Origin) -> None:
        async with s3_client(origin) as client:
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
    "spa  ces",
    "dir/sub/a.tif",
]


ODD_PATHS = ["/first", "a//b.tif", "a/../b.tif", "a/./b.tif"]
"""Keys that file systems, and so rclone, cannot store."""


class TestHrefs:
    @pytest.mark.parametrize("key", KEYS)
    async def test_keys_with_special_characters_are_read(
        self, key: str, rclone: RcloneBucket, credentials: None
    ) -> None:
        href = rclone.put(key, key.encode())
        async with s3_client(rclone) as client:
            assert await read_bytes(client, href) == key.encode()
            assert (await client.stat(Request(parse_href(href)))).size == len(key.encode())

    @pytest.mark.parametrize("key", [*KEYS, *ODD_PATHS])
    async def test_keys_are_not_normalized(self, key: str, moto: MotoBucket) -> None:
        href = moto.put(key, key.encode())
        async with s3_client(moto) as client:
            assert await read_bytes(client, href) == key.encode()

    async def test_key_of_unencoded_url_is_kept(self, moto: MotoBucket) -> None:
        for key, url in [
            ("a b.txt", URL("s3://my.bucket/a b.txt")),
            ("a?b#c", URL("s3://my.bucket/a?b#c")),
        ]:
            moto.put(key, key.encode())
            async with s3_client(moto) as client:
                assert b"".join([c async for c in client.open_url(url)]) == key.encode()

    @pytest.mark.parametrize("key", KEYS)
    async def test_error_contains_href(self, key: str, moto: MotoBucket) -> None:
        async with s3_client(moto) as client:
            with pytest.raises(NotFoundError) as caught:
                await read_bytes(client, f"s3://my.bucket/missing/{key}")
        assert f"s3://my.bucket/missing/{key.partition('?')[0]}" in str(caught.value)


class TestStat:
    @pytest.mark.parametrize("status", [403, 405, 501])
    async def test_refused_head_falls_back_to_get(self, status: int, origin: Origin) -> None:
        origin.put("/bucket/a.bin", size=SIZE, content_type="image/tiff")
        origin.put("/bucket/empty", b"")
        origin.fault("*", NoHead(status), times=0)
        async with s3_client(origin) as client:
            stat = await client.stat(Request(parse_href(HREF)))
            assert (stat.size, stat.content_type) == (SIZE, "image/tiff")
            assert origin.gets()[0].range == "bytes=0-0"
            assert (await client.stat(Request(parse_href("s3://bucket/empty")))).size == 0

    async def test_missing_object_is_requested_once(self, origin: Origin) -> None:
        origin.remove("/bucket/a.bin")
        async with s3_client(origin) as client:
            assert not await client.href_exists(HREF)
        assert not origin.gets()
