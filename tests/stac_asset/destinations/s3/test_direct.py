"""Small objects, which are written without botocore."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from stac_asset.destinations.interface import Declared
from stac_asset.destinations.s3.direct import MAX_DIRECT
from stac_asset.errors import DestinationError
from stac_asset.testing import SLOW_DOWN, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from tests.stac_asset.destinations.s3.test_uploads import KEY, SOURCE, multihash, send
from tests.support.s3_destinations import PART, Bucket


@pytest.fixture
def sent(proxied: Bucket) -> list[str]:
    """Return the operations of the requests of botocore that write objects."""
    names: list[str] = []

    def record(event_name: str, **_: Any) -> None:
        names.append(event_name.rpartition(".")[2])

    proxied.client.meta.events.register("before-send.s3", record)
    return names


async def test_small_object_has_checksum_and_metadata(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    data = data_of(100)
    await send(proxied.destination(), data, hashed=True)
    [request] = proxy.received("PutObject", f"*{KEY}")
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert request.headers["x-amz-checksum-sha256"] == digest
    assert request.headers["if-none-match"] == "*"
    assert "content-type" not in request.headers
    found = await proxied.head(KEY)
    assert found["Metadata"]["stac-asset-checksum"] == str(multihash(data))
    assert found["ContentLength"] == 100
    assert sent.count("PutObject") == 1  # The probe that finds conditional requests supported.


async def test_large_and_empty_objects_are_written(proxied: Bucket, sent: list[str]) -> None:
    await send(proxied.destination(), data_of(MAX_DIRECT + 1))
    assert await proxied.content(KEY) == data_of(MAX_DIRECT + 1)
    assert sent.count("PutObject") == 2
    async with proxied.destination().open_upload("empty.bin", SOURCE, Declared(0)) as upload:
        await upload.begin(0, '"1"', 0)
        await upload.commit()
    assert await proxied.content("empty.bin") == b""


@pytest.mark.parametrize("fault", [SLOW_DOWN, Status(307), Status(500)])
async def test_botocore_repeats_a_request_that_fails(
    proxied: Bucket, proxy: S3Proxy, sent: list[str], fault: Any
) -> None:
    proxy.fault("PutObject", fault, key=f"*{KEY}")
    await send(proxied.destination(), data_of(PART - 1)[:100])
    assert await proxied.content(KEY) == data_of(PART - 1)[:100]
    assert sent.count("PutObject") == 2
    assert len(proxy.received("PutObject", f"*{KEY}")) == 2


async def test_botocore_writes_all_objects_after_a_redirect(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    proxy.fault("PutObject", Status(301), key="*.bin")
    destination = proxied.destination()
    await destination.write("1.bin", b"content")
    await destination.write("2.bin", b"content")
    assert await proxied.content("2.bin") == b"content"
    assert len(proxy.received("PutObject", "*.bin")) == 3
    assert sent.count("PutObject") == 3  # The probe, and both objects.


async def test_error_of_a_request_without_botocore_is_that_of_botocore(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("PutObject", Status(403), key=f"*{KEY}", times=0)
    with pytest.raises(DestinationError, match="no permission"):
        await send(proxied.destination(), b"abc")
