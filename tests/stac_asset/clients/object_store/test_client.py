"""Clients of Google Cloud Storage and Azure: credentials, errors, and interrupted downloads."""

from __future__ import annotations

import sys
from pathlib import Path

import pystac
import pytest
from aiohttp import web

from stac_asset import AzureIdentity, Config, GcsIdentity, download_item
from stac_asset.clients import Client, Request
from stac_asset.clients.object_store import AzureClient, GcsClient
from stac_asset.clients.object_store.access import identity_for
from stac_asset.clients.registry import Clients
from stac_asset.errors import (
    AccessError,
    ConfigError,
    ConnectionFailedError,
    ContentError,
    DownloadError,
    HrefError,
    NotFoundError,
    ResponseError,
    SchemeError,
    StacAssetError,
)
from stac_asset.hrefs import parse_href
from stac_asset.object_store.buckets import Bucket
from stac_asset.testing.client_under_test import data_of, error_of, fetch, read
from tests.support.azurite import ACCOUNT
from tests.support.gcs_service import TOKEN, GcsService
from tests.support.object_stores import AzureContainer, GcsBucket

_VARIABLES = (
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_BASE_URL"),
    *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT"),
)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment without credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


def client_of(service: GcsService) -> GcsClient:
    return GcsClient(GcsBucket(service).identity)


def item_with(href: str) -> pystac.Item:
    item = pystac.Item("i", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    item.add_asset("data", pystac.Asset(href))
    return item


@pytest.mark.parametrize(
    ("href", "kind"),
    [
        ("gs://bucket/a.tif", GcsClient),
        ("az://container/a.tif", AzureClient),
        ("abfs://container@account.dfs.core.windows.net/a.tif", AzureClient),
        ("abfss://container/a.tif", AzureClient),
    ],
)
async def test_url_is_claimed_if_the_extra_is_installed(href: str, kind: type[Client]) -> None:
    async with Clients(Config()) as clients:
        assert type(await clients.get_client(href)) is kind


@pytest.mark.parametrize(("href", "extra"), [("gs://b/a.tif", "gcs"), ("az://c/a.tif", "azure")])
async def test_error_names_the_missing_extra(
    monkeypatch: pytest.MonkeyPatch, href: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    async with Clients(Config()) as clients:
        with pytest.raises(SchemeError, match=rf"pip install 'prefect-stac-asset\[{extra}\]'"):
            await clients.get_client(href)
    with pytest.raises(ConfigError, match=rf"prefect-stac-asset\[{extra}\]"):
        GcsClient() if extra == "gcs" else AzureClient()


async def test_byte_ranges_of_one_version(gcs: GcsService) -> None:
    data = data_of(1000)
    stored = gcs.put("a.tif", data)
    url = parse_href("gs://bucket/a.tif")
    client = client_of(gcs)
    etag = stored.etag
    whole = (0, data, 1000, etag)
    assert await fetch(client, Request(url)) == whole
    assert await fetch(client, Request(url, offset=400, validator=etag)) == (
        *(400, data[400:], 1000),
        etag,
    )
    request = Request(url, offset=400, end=500, validator=etag)
    async with client.fetch(request) as response:
        assert (response.offset, response.end, response.ranges) == (400, 500, True)
        assert b"".join([bytes(chunk) async for chunk in response.chunks]) == data[400:500]
    # Another version, and a part file that is complete or too long, start again.
    assert await fetch(client, Request(url, offset=400, validator='"other"')) == whole
    assert await fetch(client, Request(url, offset=1000, validator=etag)) == whole
    other = Request(url, offset=400, end=500, validator='"other"')
    assert isinstance(await error_of(fetch(client, other)), ResponseError)


async def test_interrupted_download_is_resumed(gcs: GcsService, tmp_path: Path) -> None:
    data = data_of(3_000_000)
    gcs.put("a.tif", data)
    faults = iter([503, 429, 500])

    def fail(method: str, key: str) -> web.Response | None:
        status = next(faults, None) if method == "GET" else None
        return web.Response(status=status) if status else None

    gcs.before = fail
    config = Config(retry_wait=0)
    item = item_with("gs://bucket/a.tif")
    await download_item(item, tmp_path, config=config, clients=[client_of(gcs)])
    assert (tmp_path / "a.tif").read_bytes() == data


async def test_large_download_uses_byte_ranges(gcs: GcsService, tmp_path: Path) -> None:
    data = data_of(40 * 1024 * 1024)
    gcs.put("a.tif", data)
    await download_item(item_with("gs://bucket/a.tif"), tmp_path, clients=[client_of(gcs)])
    assert (tmp_path / "a.tif").read_bytes() == data


async def test_public_object_is_read_without_credentials(
    gcs: GcsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BASE_URL", gcs.url)
    anonymous = GcsIdentity(anonymous=True, endpoint_url=gcs.url)
    gcs.put("a.tif", b"data")
    error = await error_of(read(GcsClient(anonymous), "gs://bucket/a.tif"))
    assert isinstance(error, AccessError)
    assert "To sign it, set GOOGLE_APPLICATION_CREDENTIALS" in str(error)
    gcs.public.add("bucket")
    assert await read(GcsClient(anonymous), "gs://bucket/a.tif") == b"data"
    assert set(gcs.tokens) == {None}


@pytest.mark.parametrize(
    ("url", "account", "identity", "expected"),
    [
        ("gs://bucket", None, None, GcsIdentity(anonymous=True)),
        ("gs://bucket", None, GcsIdentity(token="t"), GcsIdentity(token="t")),
        ("az://con", "abc", None, AzureIdentity("abc", anonymous=True)),
        ("abfs://con@abc.dfs.core.windows.net", "abc", None, AzureIdentity("abc", anonymous=True)),
        (
            "abfs://con@other.dfs.core.windows.net",
            None,
            AzureIdentity("abc", sas_token="s"),
            AzureIdentity("other", anonymous=True),
        ),
        (
            "abfs://con@abc.dfs.core.windows.net",
            None,
            AzureIdentity("abc", sas_token="s"),
            AzureIdentity("abc", sas_token="s"),
        ),
    ],
)
def test_credentials_are_sent_to_their_account_only(
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    account: str | None,
    identity: GcsIdentity | AzureIdentity | None,
    expected: GcsIdentity | AzureIdentity,
) -> None:
    if account is not None:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", account)
    bucket = Bucket.parse(url)
    assert bucket is not None
    assert identity_for(bucket, identity) == expected


def test_environment_with_another_account_sends_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "abc")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "aGlkZGVu")
    own = Bucket.parse("abfs://con@abc.dfs.core.windows.net")
    other = Bucket.parse("abfs://con@other.dfs.core.windows.net")
    assert own is not None
    assert other is not None
    assert identity_for(own, None).is_default
    assert identity_for(other, None) == AzureIdentity("other", anonymous=True)


async def test_environment_has_credentials(
    container: AzureContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = container.identity
    assert identity.account_key is not None
    assert identity.endpoint_url is not None
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", identity.account_key)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", identity.endpoint_url)
    container.azurite.put(container.name, "a.tif", b"data")
    async with Clients(Config()) as clients:
        href = f"az://{container.name}/a.tif"
        assert await read(await clients.get_client(href), href) == b"data"


async def test_client_claims_its_buckets_only(gcs: GcsService) -> None:
    client = GcsClient(GcsBucket(gcs).identity, buckets=["bucket"])
    assert client.claims(parse_href("gs://bucket/a.tif"))
    assert not client.claims(parse_href("gs://bucket-2/a.tif"))
    assert not client.claims(parse_href("s3://bucket/a.tif"))


async def test_prefix_of_objects_is_a_directory(gcs: GcsService) -> None:
    gcs.put("store.zarr/0/0", b"data")
    gcs.put("folder/a.tif", b"data")
    for key in ("store.zarr/", "folder", "folder/"):
        error = await error_of(read(client_of(gcs), f"gs://bucket/{key}"))
        assert isinstance(error, ContentError), key


@pytest.mark.parametrize(
    ("href", "kind", "text"),
    [
        ("gs://missing-bucket/a.tif", NotFoundError, "the bucket or container does not exist"),
        ("gs://bucket/missing.tif", NotFoundError, "404"),
        ("gs://UPPER/a.tif", HrefError, "no valid bucket"),
        ("gs://bucket", HrefError, "no key"),
        ("gs://bucket/a//b.tif", StacAssetError, "gs://bucket/a//b.tif"),
        ("az://container/a.tif", SchemeError, "is not a URL of client 'gcs'"),
    ],
)
async def test_errors_name_the_href(
    gcs: GcsService, href: str, kind: type[Exception], text: str
) -> None:
    error = await error_of(read(client_of(gcs), href))
    assert isinstance(error, kind), repr(error)
    assert text in str(error)
    assert TOKEN not in str(error)


async def test_wrong_token_is_an_access_error(gcs: GcsService) -> None:
    client = GcsClient(GcsIdentity(token="hidden", endpoint_url=gcs.url))
    client.credentials = "block 'gcs/mine'"
    error = await error_of(read(client, "gs://bucket/a.tif"))
    assert isinstance(error, AccessError)
    assert "block 'gcs/mine' was refused by bucket" in str(error)
    assert "hidden" not in str(error)


async def test_unreachable_service_is_a_connection_error() -> None:
    client = GcsClient(GcsIdentity(token="t", endpoint_url="http://127.0.0.1:1"))
    error = await error_of(read(client, "gs://bucket/a.tif"))
    assert isinstance(error, ConnectionFailedError)
    assert error.transient


@pytest.mark.parametrize(
    ("href", "text"),
    [
        ("az://container/a.tif", "set the variable AZURE_STORAGE_ACCOUNT_NAME"),
        ("abfs://container@example.com/a.tif", "no valid bucket or container"),
    ],
)
async def test_unknown_account_fails_before_a_request(tmp_path: Path, href: str, text: str) -> None:
    with pytest.raises(DownloadError) as raised:
        await download_item(item_with(href), tmp_path)
    [error] = raised.value.exceptions
    assert text in str(error)


async def test_compressed_objects_are_stored_as_they_are(gcs: GcsService) -> None:
    gcs.put("a.json", b"\x1f\x8b compressed", {"Content-Encoding": "gzip"})
    url = parse_href("gs://bucket/a.json")
    async with client_of(gcs).fetch(Request(url)) as response:
        assert response.encoding == "gzip"
        assert b"".join([bytes(one) async for one in response.chunks]) == b"\x1f\x8b compressed"
    assert gcs.encodings[-1] == "gzip"
