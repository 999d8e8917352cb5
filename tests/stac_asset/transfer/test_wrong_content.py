"""Downloads of web pages, error messages, directories and empty files in place of assets."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pystac import Asset
from yarl import URL

from stac_asset import Config, DownloadError, download_asset, download_file, download_item
from stac_asset.clients import Client, Clients, FilesystemClient, S3Client
from stac_asset.errors import ContentError, NotFoundError, StacAssetError
from stac_asset.notices import collect_notices
from stac_asset.testing import Chunked, Gzip, Origin, Status
from stac_asset.types import MessageQueue
from tests.support.items import item_from_origin
from tests.support.raw_origin import RawRequest, raw_origin, response_head

PAGE = b"<!DOCTYPE html>\n<html><body><form action='/login'></form></body></html>"
ERROR = b"<?xml version='1.0'?><Error><Code>QuotaExceeded</Code></Error>"
LISTING = b"<html><title>Index of /store.zarr/</title></html>"
TIFF = b"II*\0 a raster"
OCTETS = "application/octet-stream"


async def failure(origin: Origin, directory: Path, config: Config, **fields: object) -> str:
    """Download the asset `a` of an item, and return the text of its error."""
    with pytest.raises(DownloadError) as raised:
        await download_item(item_from_origin(origin, "a", **fields), directory, config=config)
    (error,) = raised.value.exceptions
    assert {path.name for path in directory.iterdir()} <= {"the-item.json"}
    assert error.key == "a"
    return str(error)


@pytest.mark.parametrize("content_type", [OCTETS, "image/tiff"])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (PAGE, "sent an HTML page instead of the file; a login may be needed. Configure a cred"),
        (ERROR, "sent an XML error message (QuotaExceeded) instead of the file"),
        (b'{"message": "Forbidden"}', "sent a JSON error message instead of the file"),
        (LISTING, "is a directory, not a file: the source sent the listing of a directory"),
    ],
)
@pytest.mark.parametrize("is_sized", [True, False])
async def test_page_in_place_of_raster_fails_once(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    data: bytes,
    text: str,
    content_type: str,
    is_sized: bool,
) -> None:
    origin.put("/a.tif", data, content_type=content_type)
    fields = {"file:size": len(data)} if is_sized else {}
    assert text in await failure(origin, tmp_path, config, **fields)
    assert len(origin.gets()) == 1


async def test_page_of_other_size_than_declared_is_reported_as_page(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", PAGE, content_type=OCTETS)
    text = await failure(origin, tmp_path, config, **{"file:size": 5000})
    assert "an HTML page instead of the file" in text
    assert len(origin.gets()) == 1


async def test_compressed_page_is_recognized(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", PAGE, content_type=OCTETS)
    origin.fault("/a.tif", Gzip(force=True), times=0)
    assert "an HTML page" in await failure(origin, tmp_path, config)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("deflate", zlib.compress(PAGE)),
        ("deflate", zlib.compress(PAGE, wbits=-zlib.MAX_WBITS)),
        ("deflate", PAGE),
        ("br", b"\x0f\x01\x80" + PAGE[:9] + b"\x03"),
        ("zstd", b"\x28\xb5\x2f\xfd\x04\0" + PAGE),
    ],
)
async def test_page_with_another_compression_is_recognized(
    origin: Origin, tmp_path: Path, config: Config, encoding: str, body: bytes
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        headers = {"Content-Encoding": encoding, "Content-Type": "text/html"}
        writer.write(response_head(200, len(body), **headers) + body)

    async with raw_origin(respond) as raw:
        text = await failure(origin, tmp_path, config, href=f"{raw.url}/a.h5")
    assert "an HTML page" in text


@pytest.mark.parametrize(
    ("name", "is_declared", "is_noted"),
    [("a.tif", False, True), ("a.tif", True, False), ("a.tar.gz", False, False)],
)
async def test_notice_names_files_that_are_stored_compressed(
    origin: Origin, tmp_path: Path, config: Config, name: str, is_declared: bool, is_noted: bool
) -> None:
    packed = gzip.compress(TIFF)
    fields = {"file:size": len(packed)} if is_declared else {}

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(200, len(packed), Content_Encoding="gzip") + packed)

    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/{name}", **fields)
        with collect_notices() as notices:
            await download_item(item, tmp_path, config=config)
    assert (tmp_path / name).read_bytes() == packed
    noted = [f"/{name} (`Content-Encoding: gzip`)" in line for line in notices.lines()]
    assert noted == ([True] if is_noted else [])


@pytest.mark.parametrize("data", [b"\n", b" \r\n\t "])
async def test_white_space_in_place_of_raster_fails(
    origin: Origin, tmp_path: Path, config: Config, data: bytes
) -> None:
    origin.put("/a.tif", data)
    assert "sent only white space instead of the file" in await failure(origin, tmp_path, config)


async def test_page_that_arrives_byte_by_byte_is_recognized(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(200, len(PAGE)))
        for byte in PAGE:
            writer.write(bytes([byte]))
            await writer.drain()

    async with raw_origin(respond) as raw:
        text = await failure(origin, tmp_path, config, href=f"{raw.url}/a.h5")
    assert "an HTML page" in text


@pytest.mark.parametrize("role", ["data", "metadata"])
async def test_role_decides_without_type_and_extension(
    origin: Origin, tmp_path: Path, config: Config, role: str
) -> None:
    href = origin.put("/a", PAGE, content_type="text/html")
    if role == "data":
        assert "an HTML page" in await failure(origin, tmp_path, config, href=href, roles=[role])
    else:
        item = item_from_origin(origin, "a", href=href, roles=[role])
        await download_item(item, tmp_path, config=config)
        assert (tmp_path / "a").read_bytes() == PAGE


async def test_page_is_stored_with_notice_if_check_is_disabled(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", PAGE, content_type=OCTETS)
    config.check_content = False
    with collect_notices() as notices:
        for _ in range(2):
            await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == PAGE
    assert len(origin.gets()) == 1
    assert "an HTML page for http" in notices.lines()[0]


class PageClient(Client):
    """A simple client of another package, which sends the page in two chunks."""

    name = "pages"

    def claims(self, url: URL) -> bool:
        return url.scheme == "page"

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        yield PAGE[:1]
        yield PAGE[1:]


async def test_all_functions_and_clients_refuse_pages(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", PAGE, content_type=OCTETS)
    local = tmp_path / "source.tif"
    local.write_bytes(PAGE)
    out = tmp_path / "out.tif"
    async with Clients(config, [PageClient()]) as clients:
        http = await clients.get_client(href)
        for call in (
            download_asset("a", Asset(href), out, config),
            download_asset("a", Asset("page://x/a.tif"), out, config, clients=clients),
            download_file(href, out, config),
            download_file(str(local), out, config),
            http.download_href(href, out),
            FilesystemClient().download_href(str(local), out),
        ):
            with pytest.raises(ContentError, match="an HTML page instead of the file"):
                await call
            assert os.listdir(tmp_path) == ["source.tif"]


@pytest.mark.parametrize("bad", [PAGE, ERROR, b""])
async def test_bad_file_of_earlier_run_is_downloaded_again(
    origin: Origin, tmp_path: Path, config: Config, bad: bytes
) -> None:
    origin.put("/a.tif", TIFF)
    (tmp_path / "a.tif").write_bytes(bad)
    for _ in range(2):
        await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
        assert (tmp_path / "a.tif").read_bytes() == TIFF
    assert len(origin.gets()) == 1


@pytest.mark.parametrize("bad", [PAGE, b""])
async def test_bad_file_is_kept_if_existing_files_are_not_verified(
    origin: Origin, tmp_path: Path, config: Config, bad: bytes
) -> None:
    (tmp_path / "a.tif").write_bytes(bad)
    config.verify_existing = "none"
    await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
    assert origin.requests == []


async def test_empty_response_is_requested_again(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", TIFF)
    origin.fault("/a.tif", Status(200), method="GET")
    await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == TIFF


@pytest.mark.parametrize("fault", [None, Chunked()])
async def test_empty_file_fails_after_three_attempts(
    origin: Origin, tmp_path: Path, config: Config, fault: Chunked | None
) -> None:
    origin.put("/a.tif", b"")
    if fault is not None:
        origin.fault("/a.tif", fault, times=0)
    text = await failure(origin, tmp_path, config)
    assert "the source sent an empty file. Set `allow_empty_files=True`" in text
    assert len(origin.gets()) == 3


@pytest.mark.parametrize("is_declared", [True, False])
async def test_empty_file_is_accepted_if_declared_or_allowed(
    origin: Origin, tmp_path: Path, config: Config, is_declared: bool
) -> None:
    origin.put("/a.tif", b"")
    config.allow_empty_files = not is_declared
    fields = {"file:size": 0} if is_declared else {}
    for _ in range(2):
        await download_item(item_from_origin(origin, "a", **fields), tmp_path, config=config)
        assert (tmp_path / "a.tif").read_bytes() == b""
    assert len(origin.gets()) == 1


@pytest.mark.parametrize("path", ["/store.zarr/", "/store.zarr", "/X.SAFE/", "/x.gdb", "/scene/"])
@pytest.mark.parametrize("data", [PAGE, b"", b'{"error": "is a directory"}'])
async def test_href_of_directory_is_reported_as_directory(
    origin: Origin, tmp_path: Path, config: Config, path: str, data: bytes
) -> None:
    href = origin.put(path, data, content_type="text/html")
    text = await failure(origin, tmp_path, config, href=href)
    assert "is a directory, not a file" in text
    assert "Leave out the asset with `exclude`, or copy the directory with a tool" in text


async def test_missing_directory_gets_hint(origin: Origin, tmp_path: Path, config: Config) -> None:
    origin.fault("/store.zarr", Status(404), times=0)
    text = await failure(origin, tmp_path, config, href=origin.href("/store.zarr"))
    assert "404" in text
    assert "the href may be that of a directory" in text


async def test_zarr_media_type_marks_directory(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/store", b"", content_type=OCTETS)
    text = await failure(origin, tmp_path, config, href=href, type="application/vnd+zarr")
    assert "is a directory, not a file" in text


async def test_local_directory_and_empty_file_fail(tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.tif").touch()
    for name, text in (("a.zarr", "is a directory, not a file"), ("a.tif", "sent an empty file")):
        with pytest.raises(StacAssetError, match=text):
            await download_file(str(tmp_path / name), tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


class TestS3:
    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    @pytest.mark.parametrize(
        ("key", "data", "text"),
        [
            ("X.SAFE/", b"", "is a directory, not a file: the source sent an empty file"),
            ("a.tif", b"", "the source sent an empty file"),
            ("a.tif", PAGE, "an HTML page instead of the file"),
        ],
    )
    async def test_object_without_file_fails(
        self, origin: Origin, tmp_path: Path, config: Config, key: str, data: bytes, text: str
    ) -> None:
        origin.put(f"/bucket/{key}", data, content_type=OCTETS)
        async with S3Client(endpoint_url=origin.url, max_attempts=1) as client:
            client.made_from = config
            with pytest.raises(ContentError, match=text):
                await client.download_href(f"s3://bucket/{key}", tmp_path / "out")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("key", ["X.SAFE/", "x.zarr", "folder"])
    async def test_missing_object_with_prefix_is_a_directory(
        self, origin: Origin, tmp_path: Path, key: str
    ) -> None:
        name = f"<Contents><Key>{key.rstrip('/')}/a</Key></Contents>"
        listing = f"<ListBucketResult><KeyCount>1</KeyCount>{name}</ListBucketResult>"
        missing = b"<Error><Code>NoSuchKey</Code></Error>"
        origin.fault(f"/bucket/{key}", Status(404, body=missing), times=0)
        origin.put("/bucket", listing.encode(), content_type="application/xml")
        async with S3Client(endpoint_url=origin.url, max_attempts=1) as client:
            with pytest.raises(ContentError, match="is a directory, not a file"):
                await client.download_href(f"s3://bucket/{key}", tmp_path / "out")
            with pytest.raises(ContentError, match="is a directory, not a file"):
                await client.probe(f"s3://bucket/{key}")
            origin.put("/bucket", b"<ListBucketResult/>", content_type="application/xml")
            with pytest.raises(NotFoundError):
                await client.download_href(f"s3://bucket/{key}", tmp_path / "out")
