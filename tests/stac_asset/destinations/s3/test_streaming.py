"""Parts that are too large to be held in memory, with a lower limit than in use."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from stac_asset.destinations.s3 import S3Destination
from stac_asset.destinations.values import Declared
from stac_asset.errors import ChecksumError, DestinationError
from stac_asset.integrity import Multihash
from stac_asset.testing import SLOW_DOWN, Reset, S3Proxy
from stac_asset.testing.client_under_test import data_of
from tests.stac_asset.destinations.s3.test_uploads import (
    KEY,
    NOTHING,
    SOURCE,
    multihash,
    parts_of,
    send,
)
from tests.support.s3_destinations import PART, Bucket

SIZE = 2 * PART + 17
HELD = 1024 * 1024


@pytest.fixture
def destination(proxied: Bucket) -> S3Destination:
    """Return a destination that holds no parts in memory."""
    return proxied.destination(largest_held=HELD)


async def test_streamed_parts_are_stored_with_checksums(
    proxied: Bucket, proxy: S3Proxy, destination: S3Destination
) -> None:
    data = data_of(SIZE)
    await send(destination, data)
    assert await proxied.content(KEY) == data
    assert parts_of(proxy) == [1, 2, 3]
    for request in proxy.received("UploadPart"):
        assert request.headers["x-amz-trailer"] == "x-amz-checksum-sha256"
    assert destination._budget.used == 0
    assert not await proxied.has_leftovers()


async def test_declared_checksum_of_streamed_parts_is_verified(
    proxied: Bucket, destination: S3Destination
) -> None:
    data = data_of(SIZE)
    declared = Declared(SIZE, multihash(data))
    assert await send(destination, data, declared) == str(declared.checksum)
    wrong = Declared(SIZE, Multihash(0x12, hashlib.sha256(b"other").digest()))
    with pytest.raises(ChecksumError):
        await send(destination, data, wrong)
    assert await proxied.content(KEY) == data


@pytest.mark.parametrize("fault", [SLOW_DOWN, Reset(-1)])
@pytest.mark.parametrize("is_declared", [False, True])
async def test_bytes_of_a_lost_part_are_requested_again(
    proxied: Bucket,
    proxy: S3Proxy,
    destination: S3Destination,
    fault: Reset,
    is_declared: bool,
) -> None:
    data = data_of(SIZE)
    declared = Declared(SIZE, multihash(data)) if is_declared else NOTHING
    async with destination.open_upload(KEY, SOURCE, declared) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data[:PART])
        proxy.fault("UploadPart", fault)
        with pytest.raises(DestinationError, match="part 2 of") as failure:
            await upload.write(data[PART : 2 * PART])
        assert failure.value.transient
        assert upload.offset == PART
        await upload.begin(PART, '"1"', SIZE)
        await upload.write(data[PART:])
        await upload.commit()
    assert await proxied.content(KEY) == data
    assert not await proxied.has_leftovers()


async def test_streamed_parts_arrive_in_any_order(
    proxied: Bucket, proxy: S3Proxy, destination: S3Destination
) -> None:
    data = data_of(SIZE)
    async with destination.open_upload(KEY, SOURCE, NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data[:100])
        await upload.split()
        missing = upload.missing
        assert missing is not None
        first, second = missing.take(SIZE), missing.take(SIZE)
        assert first is not None
        assert second is not None
        assert (first.position, second.position) == (100, PART)
        await upload.put(second, data[PART : PART + HELD])
        await upload.put(first, data[100:PART])
        proxy.fault("UploadPart", SLOW_DOWN)
        with pytest.raises(DestinationError, match="part 2 of"):
            await upload.put(second, data[PART + HELD : 2 * PART])
        assert second.position == PART
        assert upload.offset == PART
        await upload.put(second, data[PART : 2 * PART])
        third = missing.take(SIZE)
        assert third is not None
        await upload.put(third, data[2 * PART :])
        await upload.commit()
    assert await proxied.content(KEY) == data


async def test_digest_of_streamed_parts_needs_a_single_connection(
    destination: S3Destination,
) -> None:
    for hashed in (True, False):
        async with destination.open_upload(KEY, SOURCE, NOTHING, hashed) as upload:
            await upload.begin(0, '"1"', SIZE)
            assert upload.accepts_ranges is not hashed


@pytest.mark.parametrize("is_declared", [False, True])
async def test_later_run_sends_streamed_parts_once(
    proxied: Bucket, proxy: S3Proxy, is_declared: bool
) -> None:
    data = data_of(SIZE)
    declared = Declared(SIZE, multihash(data)) if is_declared else NOTHING
    await send(proxied.destination(largest_held=HELD), data, declared, stop_after=PART + HELD)
    await send(proxied.destination(largest_held=HELD), data, declared)
    assert parts_of(proxy) == [1, 2, 3]
    assert await proxied.content(KEY) == data


async def test_stored_part_with_other_bytes_is_sent_again(proxied: Bucket) -> None:
    old, new = data_of(SIZE), data_of(SIZE + PART)[PART:]
    declared = [Declared(SIZE, multihash(data)) for data in (old, new)]
    await send(proxied.destination(largest_held=HELD), old, declared[0], stop_after=PART)
    destination = proxied.destination(largest_held=HELD)
    async with destination.open_upload(KEY, SOURCE, declared[1]) as upload:
        await upload.begin(0, '"2"', SIZE)
        with pytest.raises(DestinationError, match="part 1 of"):
            await upload.write(new)
        assert upload.offset == 0
        await upload.begin(0, '"2"', SIZE)
        await upload.write(new)
        await upload.commit()
    assert await proxied.content(KEY) == new


async def test_upload_that_is_left_ends_the_requests(
    proxied: Bucket, destination: S3Destination
) -> None:
    async with destination.open_upload(KEY, SOURCE, NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(100))
    assert not await proxied.has_leftovers()
    assert len(asyncio.all_tasks()) == 1
