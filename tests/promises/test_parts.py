"""An answer with a part of a file is never taken for the file, and one that is honest is of use."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from yarl import URL

from stac_asset import Config, HttpClient, download_file
from stac_asset.clients.content_range import Extent
from stac_asset.clients.s3.objects import extent_of
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.errors import RangeError, TransferError, TruncatedError
from tests.promises.raw_origin import Answer, Asked, chunk, head, serving

MIB = 1024 * 1024
DATA = random.Random(4).randbytes(300_000)
CUT = 100_000
VERSION = '"version"'


def part(first: int, end: int, size: int | str, data: bytes = DATA) -> bytes:
    """Returns a part of a file, as a server says it."""
    said = f"bytes {first}-{end - 1}/{size}"
    return head(206, end - first, ETag=VERSION, Content_Range=said) + data[first:end]


def broken_off_once(rest: bytes) -> Answer:
    """Breaks off an answer of unknown length, continues with `rest`, and then sends all."""
    answers = iter(
        [
            head(200, ETag=VERSION) + chunk(DATA[:CUT]),
            head(200, len(DATA), ETag=VERSION) + DATA,
        ]
    )

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers) if asked.span(len(DATA)) is None else rest)

    return answer


@pytest.mark.parametrize("said", ["bytes 0-99/*", "bytes 0-99/300000"])
async def test_part_that_nobody_asked_for_is_not_the_file(
    tmp_path: Path, config: Config, said: str
) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(206, 100, Content_Range=said) + DATA[:100])

    async with serving(answer) as origin:
        with pytest.raises(TransferError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
        async with await HttpClient.from_config(config) as client:
            with pytest.raises(RangeError, match="asked for the whole"):
                async for _ in client.open_href(f"{origin.url}/a.tif"):
                    pass
    assert list(tmp_path.iterdir()) == []


async def test_part_of_a_file_of_unknown_size_is_not_its_rest(
    tmp_path: Path, config: Config
) -> None:
    async with serving(broken_off_once(part(CUT, 150_000, "*"))) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert ["range" in asked.headers for asked in origin.asked] == [False, True, False]


@pytest.mark.parametrize("size", ["*", len(DATA)])
async def test_source_that_sends_only_so_much_at_a_time_is_asked_on(
    tmp_path: Path, config: Config, size: int | str
) -> None:
    config.http_max_attempts = 2  # The first answer breaks off; what follows is one more.

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        span = asked.span(len(DATA))
        if span is None:
            writer.write(head(200, len(DATA), ETag=VERSION) + DATA[:CUT])
        else:
            writer.write(part(span[0], min(span[0] + 30_000, len(DATA)), size))

    async with serving(answer) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.wholes == 1
    assert len(origin.asked) == 1 + 7


async def test_source_that_sends_the_same_part_again_and_again_is_given_up(
    tmp_path: Path, config: Config
) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(part(0, CUT, len(DATA)))

    async with serving(answer) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert not (tmp_path / "a.tif").exists()
    assert len(origin.asked) <= 2 * config.http_max_attempts


@pytest.mark.parametrize("chunked", [True, False])
async def test_part_that_is_longer_than_it_says_starts_over(
    tmp_path: Path, config: Config, chunked: bool
) -> None:
    said = f"bytes {CUT}-{len(DATA) - 101}/{len(DATA)}"
    length = None if chunked else len(DATA) - CUT
    body = chunk(DATA[CUT:]) + chunk(b"") if chunked else DATA[CUT:]
    rest = head(206, length, ETag=VERSION, Content_Range=said) + body
    async with serving(broken_off_once(rest)) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.wholes == 2


def capped(data: bytes, most: int) -> Answer:
    """Sends whole files slowly, so that others are opened beside, and parts that are short."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        span = asked.span(len(data))
        if span is not None:
            writer.write(part(span[0], min(*(span[0] + most, span[1])), len(data), data))
            return
        writer.write(head(200, len(data), ETag=VERSION, Accept_Ranges="bytes"))
        for at in range(0, 4 * MIB, MIB):
            writer.write(data[at : at + MIB])
            await writer.drain()
            await asyncio.sleep(0.05)

    return answer


async def test_pieces_of_which_a_source_sends_only_so_much_are_asked_on(
    tmp_path: Path, config: Config
) -> None:
    data = random.Random(5).randbytes(40 * MIB)
    # What is sent of the whole ends after 4 MiB, which is an attempt that fails; no other one does.
    config.http_max_attempts, config.max_connections_per_file = 2, 4
    async with serving(capped(data, MIB // 2)) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == data
    assert origin.wholes == 1
    assert len(origin.asked) > 36 * 2


async def test_query_that_is_no_signature_names_another_file(
    tmp_path: Path, config: Config
) -> None:
    files = {"/a.tif?v=1&sig=x": DATA, "/a.tif?v=2&sig=x": DATA[::-1]}

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        data = files[asked.target]
        span = asked.span(len(data))
        if span is not None:
            writer.write(part(*span, len(data), data))
        else:
            cut = CUT if data is DATA else None
            writer.write(head(200, len(data), ETag=VERSION) + data[:cut])

    config.http_max_attempts = 1
    async with serving(answer) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif?v=1&sig=x", tmp_path / "a.tif", config)
        await download_file(f"{origin.url}/a.tif?v=2&sig=x", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA[::-1]


@pytest.mark.parametrize(
    ("said", "length"),
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
def test_extent_that_is_none(said: str, length: int | None) -> None:
    with pytest.raises(RangeError):
        Extent.part(said, length, "https://example.com/a.tif")
    if said:
        with pytest.raises(RangeError):
            extent_of({"ContentRange": said, "ContentLength": length}, URL("s3://bucket/a.tif"))


def test_extent_says_where_a_part_ends() -> None:
    assert Extent.part("bytes 3-6/9", 4, "") == (3, 7, 9)
    assert Extent.part("bytes 3-6/*", None, "") == (3, 7, None)
    found = {"ContentRange": "bytes 3-6/*", "ContentLength": 4}
    assert extent_of(found, URL("s3://bucket/a.tif")) == (3, 7, None)
    assert extent_of({"ContentLength": 4}, URL("s3://bucket/a.tif")) == (0, None, 4)


async def test_upload_knows_when_to_request_more(tmp_path: Path) -> None:
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
