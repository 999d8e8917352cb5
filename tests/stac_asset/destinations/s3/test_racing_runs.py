"""Runs of two machines that write the same key: one wins, and the other fails and names the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from stac_asset.destinations import VersionError
from stac_asset.destinations.s3 import S3Destination
from stac_asset.destinations.s3.parts import MAX_HELD
from stac_asset.testing.client_under_test import data_of
from tests.stac_asset.destinations.s3.test_uploads import KEY, NOTHING, send
from tests.support.conditional_s3 import ConditionalS3
from tests.support.s3_destinations import PART, Bucket

SIZE = 2 * PART
SOURCES = ("https://one.example/B04.tif", "https://two.example/B04.tif")


@pytest.fixture
async def strict(service: str) -> AsyncIterator[Bucket]:
    """Return a bucket of a service that checks all conditions."""
    with ConditionalS3(service) as proxy:
        async with Bucket.create(proxy.url) as bucket:
            yield bucket


def destination_of(bucket: Bucket, machine: str) -> S3Destination:
    """Return the destination of a machine. In a process, a key has one upload at a time."""
    return S3Destination(bucket.store(), bucket.prefix, machine, PART, MAX_HELD)


async def test_multipart_upload_does_not_replace_a_newer_object(strict: Bucket) -> None:
    await strict.put(KEY, b"old")
    async with strict.destination().open_upload(KEY, SOURCES[0], NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(SIZE))
        await strict.put(KEY, b"of another run")
        with pytest.raises(VersionError, match=f"{KEY} was written by another run"):
            await upload.commit()
        await upload.discard()
    assert await strict.content(KEY) == b"of another run"
    assert not await strict.has_leftovers()


async def test_multipart_upload_does_not_restore_a_removed_object(strict: Bucket) -> None:
    await strict.put(KEY, b"old")
    async with strict.destination().open_upload(KEY, SOURCES[0], NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(SIZE))
        await strict.destination().remove(KEY)
        with pytest.raises(VersionError, match=f"{KEY} was written by another run"):
            await upload.commit()
        await upload.discard()
    assert await strict.content(KEY) is None
    assert not await strict.has_leftovers()


async def test_unchanged_object_is_replaced(strict: Bucket) -> None:
    for size in (SIZE, 100, SIZE + 1):
        await send(strict.destination(), data_of(size))
        assert await strict.content(KEY) == data_of(size)


@pytest.mark.parametrize("existing", [None, b"old"])
@pytest.mark.parametrize("size", [100, SIZE])
async def test_one_of_two_runs_wins(strict: Bucket, existing: bytes | None, size: int) -> None:
    if existing is not None:
        await strict.put(KEY, existing)
    both = asyncio.Barrier(2)
    contents = [bytes([number]) * size for number in range(2)]

    async def run(number: int) -> None:
        destination = destination_of(strict, f"machine-{number}")
        async with destination.open_upload(KEY, SOURCES[number], NOTHING) as upload:
            await both.wait()  # Both runs have found the same object.
            await upload.begin(0, '"1"', size)
            await upload.write(contents[number])
            await both.wait()
            await upload.commit()

    results = await asyncio.gather(run(0), run(1), return_exceptions=True)
    [lost] = [one for one in results if one is not None]
    assert isinstance(lost, VersionError)
    assert f"s3://{strict.name}/{strict.prefix}/{KEY} was written by another run" in str(lost)
    winner = results.index(None)
    assert await strict.content(KEY) == contents[winner]
    assert not await strict.has_leftovers()
