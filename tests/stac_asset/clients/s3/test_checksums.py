"""Verification of the checksums that S3 stores with objects."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from contextlib import nullcontext

import pytest

from stac_asset.clients import Request
from stac_asset.errors import TruncatedError
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin, Status
from tests.support.s3_buckets import HREF, fetch_object, s3_client


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


BODY = b"pixels" * 10_000
CRC32 = crc32(BODY)
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def put(origin: Origin, body: bytes = BODY, **checksums: str) -> None:
    headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
    origin.fault("/bucket/a.bin", Status(200, headers={"ETag": '"1"', **headers}, body=body))


@pytest.mark.parametrize("checksum", [{"crc32": CRC32}, {"sha256": SHA256}])
async def test_intact_object_is_accepted(origin: Origin, checksum: dict[str, str]) -> None:
    put(origin, **checksum)
    async with s3_client(origin) as client:
        assert await fetch_object(client) == (0, BODY)
    assert origin.gets()[0].headers["x-amz-checksum-mode"] == "ENABLED"


@pytest.mark.parametrize("checksum", [{"crc32": "AAAAAA=="}, {"sha256": CRC32}, {"sha1": ""}])
async def test_damaged_object_is_an_error(origin: Origin, checksum: dict[str, str]) -> None:
    put(origin, **checksum)
    async with s3_client(origin) as client:
        with pytest.raises(TruncatedError, match="arrived damaged"):
            await fetch_object(client)


@pytest.mark.parametrize(
    "checksum",
    [{"crc32": f"{CRC32}-3"}, {"crc32": "no base64"}, {"unknown": "AAAAAA=="}, {}],
    ids=["parts", "invalid", "unknown", "none"],
)
async def test_object_without_usable_checksum_is_read_in_ranges(
    origin: Origin, checksum: dict[str, str]
) -> None:
    put(origin, **checksum)
    async with s3_client(origin) as client:
        assert await fetch_object(client) == (0, BODY)
        put(origin, **checksum)
        async with client.fetch(Request(parse_href(HREF))) as response:
            assert response.ranges


async def test_object_with_checksum_is_read_as_a_whole(origin: Origin) -> None:
    put(origin, crc32=CRC32)
    async with s3_client(origin) as client, client.fetch(Request(parse_href(HREF))) as response:
        assert not response.ranges


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_large_object_is_verified_without_copies(origin: Origin, is_damaged: bool) -> None:
    body = random.Random(1).randbytes(4 * 1024 * 1024)
    put(origin, body, crc32="AAAAAA==" if is_damaged else crc32(body))
    request = Request(parse_href(HREF), watched=True, accepts_views=True)
    expected = pytest.raises(TruncatedError) if is_damaged else nullcontext()
    received, kinds = b"", set()
    async with s3_client(origin) as client, client.fetch(request) as response:
        with expected:
            async for chunk in response.chunks:
                received += chunk
                kinds.add(type(chunk))
    assert received == body
    assert memoryview in kinds
