"""Partial responses: never accepted as the whole file, but used to resume a download."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from stac_asset import Config, HttpClient, download_file
from stac_asset.clients.content_range import Extent
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.errors import RangeError, TransferError, TruncatedError
from tests.support.raw_origin import RawRequest, Responder, chunk, raw_origin, response_head

MIB = 1024 * 1024
DATA = random.Random(4).randbytes(300_000)
CUT = 100_000
VERSION = '"version"'


def partial_response(first: int, end: int, size: int | str, data: bytes = DATA) -> bytes:
    """Return a response with a byte range of a file."""
    content_range = f"bytes {first}-{end - 1}/{size}"
    head = response_head(206, end - first, ETag=VERSION, Content_Range=content_range)
    return head + data[first:end]


def truncated_once(rest: bytes) -> Responder:
    """Truncate the first response, and send the whole file in the second.

    Args:
        rest: The response to requests for a byte range.
    """
    responses = iter(
        [
            response_head(200, ETag=VERSION) + chunk(DATA[:CUT]),
            response_head(200, len(DATA), ETag=VERSION) + DATA,
        ]
    )

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(next(responses) if request.byte_range(len(DATA)) is None else rest)

    return respond


@pytest.mark.parametrize("content_range", ["bytes 0-99/*", "bytes 0-99/300000"])
async def test_unrequested_partial_response_is_rejected(
    tmp_path: Path, config: Config, content_range: str
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(206, 100, Content_Range=content_range) + DATA[:100])

    async with raw_origin(respond) as origin:
        with pytest.raises(TransferError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
        async with await HttpClient.from_config(config) as client:
            with pytest.raises(RangeError, match="whole file was requested"):
                async for _ in client.open_href(f"{origin.url}/a.tif"):
                    pass
    assert list(tmp_path.iterdir()) == []


async def test_range_of_file_of_unknown_size_does_not_complete_file(
    tmp_path: Path, config: Config
) -> None:
    async with raw_origin(truncated_once(partial_response(CUT, 150_000, "*"))) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert ["range" in request.headers for request in origin.requests] == [False, True, False]


@pytest.mark.parametrize("size", ["*", len(DATA)])
async def test_further_ranges_are_requested_from_source_with_limited_responses(
    tmp_path: Path, config: Config, size: int | str
) -> None:
    # The first response is truncated. All others belong to a single attempt.
    config.http_max_attempts = 2

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        byte_range = request.byte_range(len(DATA))
        if byte_range is None:
            writer.write(response_head(200, len(DATA), ETag=VERSION) + DATA[:CUT])
        else:
            end = min(byte_range[0] + 30_000, len(DATA))
            writer.write(partial_response(byte_range[0], end, size))

    async with raw_origin(respond) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.full_requests == 1
    assert len(origin.requests) == 1 + 7


async def test_repeated_partial_response_raises_truncated_error(
    tmp_path: Path, config: Config
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(partial_response(0, CUT, len(DATA)))

    async with raw_origin(respond) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert not (tmp_path / "a.tif").exists()
    assert len(origin.requests) <= 2 * config.http_max_attempts


@pytest.mark.parametrize("chunked", [True, False])
async def test_download_restarts_if_partial_response_is_longer_than_announced(
    tmp_path: Path, config: Config, chunked: bool
) -> None:
    content_range = f"bytes {CUT}-{len(DATA) - 101}/{len(DATA)}"
    length = None if chunked else len(DATA) - CUT
    body = chunk(DATA[CUT:]) + chunk(b"") if chunked else DATA[CUT:]
    rest = response_head(206, length, ETag=VERSION, Content_Range=content_range) + body
    async with raw_origin(truncated_once(rest)) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.full_requests == 2


def with_limited_ranges(data: bytes, limit: int) -> Responder:
    """Send the whole file slowly, so that the engine opens connections, and limit byte ranges.

    Args:
        data: The file.
        limit: Maximum size of a response to a request for a byte range, in bytes.
    """

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        byte_range = request.byte_range(len(data))
        if byte_range is not None:
            start, end = byte_range
            writer.write(partial_response(start, min(start + limit, end), len(data), data))
            return
        writer.write(response_head(200, len(data), ETag=VERSION, Accept_Ranges="bytes"))
        for at in range(0, 4 * MIB, MIB):
            writer.write(data[at : at + MIB])
            await writer.drain()
            await asyncio.sleep(0.05)

    return respond


async def test_parallel_ranges_are_completed_by_source_with_limited_responses(
    tmp_path: Path, config: Config
) -> None:
    data = (random.Random(5).randbytes(MIB + 1) * 40)[: 40 * MIB]
    # The first response ends after 4 MiB, which fails the first attempt. The second must succeed.
    config.http_max_attempts, config.max_connections_per_file = 2, 4
    async with raw_origin(with_limited_ranges(data, MIB // 2)) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == data
    assert origin.full_requests == 1
    assert len(origin.requests) > 36 * 2


async def test_query_without_signature_identifies_another_file(
    tmp_path: Path, config: Config
) -> None:
    files = {"/a.tif?v=1&sig=x": DATA, "/a.tif?v=2&sig=x": DATA[::-1]}

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        data = files[request.target]
        byte_range = request.byte_range(len(data))
        if byte_range is not None:
            writer.write(partial_response(*byte_range, len(data), data))
        else:
            cut = CUT if data is DATA else None
            writer.write(response_head(200, len(data), ETag=VERSION) + data[:cut])

    config.http_max_attempts = 1
    async with raw_origin(respond) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif?v=1&sig=x", tmp_path / "a.tif", config)
        await download_file(f"{origin.url}/a.tif?v=2&sig=x", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA[::-1]


@pytest.mark.parametrize(
    ("content_range", "length"),
    [
        ("", 5),
        ("bytes 0-4", 5),
        ("bytes */9", None),
        ("bytes 5-3/9", None),
        ("bytes 5-9/9", 5),
        ("bytes 0-4/9", 6),
        ("bytes 0-4/9, bytes 6-7/9", None),
        ("items 0-4/9", 5),
    ],
)
def test_invalid_content_range_raises_range_error(content_range: str, length: int | None) -> None:
    with pytest.raises(RangeError):
        Extent.part(content_range, length, "https://example.com/a.tif")


def test_extent_contains_start_end_and_size() -> None:
    assert Extent.part("bytes 3-6/9", 4, "") == (3, 7, 9)
    assert Extent.part("bytes 3-6/*", None, "") == (3, 7, None)


async def test_upload_stops_short_before_end_of_file(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        await upload.begin(0, VERSION, 9, end=4)
        await upload.write(b"1234")
        assert upload.stopped_short
        await upload.begin(4, VERSION, None, end=9)
        await upload.write(b"56789")
        assert not upload.stopped_short
        await upload.commit()
    assert (tmp_path / "a.tif").read_bytes() == b"123456789"
