"""Responses that end early without an announced length, and resumes with weak ETags."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.errors import SizeError, TruncatedError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.checksums import sha256_multihash
from tests.support.items import item_from_origin
from tests.support.raw_origin import RawRequest, chunk, raw_origin, response_head

DATA = bytes(range(256)) * 1000
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
NOW = "Wed, 01 Jan 2026 00:00:00 GMT"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nContent-Type: image/tiff\r\n\r\n"


@pytest.mark.parametrize("declared", ["file:size", "file:checksum"])
async def test_cut_response_without_length_is_retried_if_declared(
    origin: Origin, tmp_path: Path, config: Config, declared: str
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        is_first = len(raw.requests) == 1
        writer.write(UNTIL_CLOSE + (DATA[:1000] if is_first else DATA))

    fields = {"file:size": len(DATA), "file:checksum": sha256_multihash(DATA)}
    async with raw_origin(respond) as raw:
        item = item_from_origin(
            origin, "a", href=f"{raw.url}/a.tif", **{declared: fields[declared]}
        )
        await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == DATA


async def test_wrong_size_without_length_fails_after_three_attempts(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(UNTIL_CLOSE + DATA)

    async with raw_origin(respond) as raw:
        item = item_from_origin(
            origin, "a", href=f"{raw.url}/a.tif", **{"file:size": len(DATA) + 1}
        )
        with pytest.raises(DownloadError) as raised:
            await download_item(item, tmp_path, config=config)
        assert isinstance(raised.value.exceptions[0], SizeError)
        assert len(raw.requests) == 3


@pytest.mark.parametrize("end", ["connection", "last chunk", "size", "checksum", "gzip"])
async def test_notice_names_files_whose_end_cannot_be_checked(
    origin: Origin, tmp_path: Path, config: Config, end: str
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if end == "last chunk":
            writer.write(response_head(200) + chunk(DATA) + chunk(b""))
        elif end == "gzip":
            head = UNTIL_CLOSE.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
            writer.write(head + gzip.compress(DATA))
        else:
            writer.write(UNTIL_CLOSE + DATA)

    declared = {
        "size": {"file:size": len(DATA)},
        "checksum": {"file:checksum": sha256_multihash(DATA)},
    }.get(end, {})
    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/a.tif?sig=secret", **declared)
        with collect_notices() as notices:
            await download_item(item, tmp_path, config=config)
        expected = [f"{raw.url}/a.tif?…"] if end == "connection" else []
    lines = [line for line in notices.lines() if line.startswith("The server announces no length")]
    shown = [line.partition("not detected: ")[2] for line in lines]
    assert shown == expected


async def test_chunked_response_without_last_chunk_is_truncated(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(200) + chunk(DATA))

    config.http_max_attempts = 2
    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/a.tif")
        with pytest.raises(DownloadError) as raised:
            await download_item(item, tmp_path, config=config)
        assert isinstance(raised.value.exceptions[0], TruncatedError)
        assert len(raw.requests) == 2
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize(
    "head", [UNTIL_CLOSE, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
async def test_gzip_encoding_that_ends_early_is_retried(
    origin: Origin, tmp_path: Path, config: Config, head: bytes
) -> None:
    packed = gzip.compress(DATA)

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        body = packed[:-9] if len(raw.requests) == 1 else packed
        encoded = head.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        writer.write(encoded + (chunk(body) + chunk(b"") if b"chunked" in head else body))

    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/a.tif")
        await download_item(item, tmp_path, config=config)
        assert len(raw.requests) == 2
    assert (tmp_path / "a.tif").read_bytes() == packed


async def test_encoding_that_is_no_gzip_is_stored(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(200, None, Content_Encoding="gzip") + chunk(DATA) + chunk(b""))

    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/a.tif")
        await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == DATA


@pytest.mark.parametrize(
    ("etags", "dates", "condition"),
    [
        (['W/"1"'], [DATE], DATE),
        (['W/"1"', '"2"'], [DATE], DATE),
        (['"1"', 'W/"1"'], [DATE], '"1"'),
        (['"1"', 'W/"1"'], [DATE, NOW], '"1"'),
        ([None], [DATE], DATE),
        (['W/"1"'], [NOW], None),
        (['W/"1"'], [None], None),
    ],
)
async def test_weak_etag_is_never_sent_and_strong_validator_resumes(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    etags: list[str | None],
    dates: list[str | None],
    condition: str | None,
) -> None:
    half = len(DATA) // 2

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        number = len(raw.requests) - 1
        headers = {"Date": NOW, "Accept-Ranges": "bytes"}
        for name, values in (("ETag", etags), ("Last-Modified", dates)):
            value = values[min(number, len(values) - 1)]
            headers |= {name: value} if value is not None else {}
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        start = int(wanted[1]) if wanted else 0
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        writer.write(response_head(206 if wanted else 200, len(DATA) - start, **headers))
        writer.write(DATA[start:half] if not number else DATA[start:])

    async with raw_origin(respond) as raw:
        item = item_from_origin(origin, "a", href=f"{raw.url}/a.tif")
        await download_item(item, tmp_path, config=config)
        assert (tmp_path / "a.tif").read_bytes() == DATA
        assert [request.headers.get("if-range") for request in raw.requests] == [None, condition]
