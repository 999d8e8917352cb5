"""Verification of the checksums that S3 stores with objects."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from stac_asset.clients import Request
from stac_asset.errors import TruncatedError
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin, Status
from tests.support.s3_buckets import HREF, fetch_object, s3_client

BODY = b"pixels" * 10_000
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def put(origin: Origin, **checksums: str) -> None:
    headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
    origin.fault("/bucket/a.bin", Status(200, headers={"ETag": '"1"', **headers}, body=BODY))


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
