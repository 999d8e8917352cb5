"""Uploads to Google Cloud Storage and Azure: other runs, faults of the service, and memory."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.destinations import VersionError
from stac_asset.destinations.object_store import ObjectStoreDestination
from stac_asset.destinations.object_store.upload import part_size
from stac_asset.destinations.values import Declared
from stac_asset.errors import ChecksumError, DestinationError
from stac_asset.integrity import Multihash
from stac_asset.testing.client_under_test import data_of
from stac_asset.transfer.interface import Response
from stac_asset.transfer.shared_connections import can_split
from tests.support.object_stores import PART, PREFIX, AzureContainer, GcsBucket

KEY = "item/B04.tif"
FULL = f"{PREFIX}/{KEY}"
SOURCE = "https://example.com/B04.tif"
NOTHING = Declared()
SIZES = [17, 2 * PART + 17]
"""Sizes of a file of a single request, and of a file in parts."""


def multihash(data: bytes) -> Multihash:
    return Multihash(0x12, hashlib.sha256(data).digest())


async def send(
    destination: ObjectStoreDestination, data: bytes, declared: Declared = NOTHING
) -> str | None:
    async with destination.open_upload(KEY, SOURCE, declared) as upload:
        await upload.begin(0, '"1"', len(data))
        await upload.write(data)
        return await upload.commit()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("was_there", [False, True])
async def test_object_of_another_run_is_not_replaced(
    bucket: GcsBucket | AzureContainer, size: int, was_there: bool
) -> None:
    if was_there:
        await send(bucket.destination(), b"old")
    data = data_of(size)
    async with bucket.destination().open_upload(KEY, SOURCE, NOTHING) as upload:
        assert upload.replaces == was_there
        await upload.begin(0, '"1"', size)
        await upload.write(data)
        await bucket.destination().write("item/B04.tif.other", b"")  # Another key is no conflict.
        await _write_elsewhere(bucket, b"of another run")
        with pytest.raises(VersionError, match="was written by another run"):
            await upload.commit()
    assert await asyncio.to_thread(bucket.content, KEY) == b"of another run"
    assert not isinstance(bucket, GcsBucket) or not bucket.has_leftovers()


async def _write_elsewhere(bucket: GcsBucket | AzureContainer, data: bytes) -> None:
    """Write the object as another process would."""
    if isinstance(bucket, GcsBucket):
        bucket.service.put(FULL, data)
    else:
        await asyncio.to_thread(bucket.azurite.put, bucket.name, FULL, data)


@pytest.mark.parametrize("size", SIZES)
async def test_checksum_is_recorded_and_saves_reading(gcs_bucket: GcsBucket, size: int) -> None:
    data, service = data_of(size), gcs_bucket.service
    declared = Declared(size, multihash(data))
    assert await send(gcs_bucket.destination(), data, declared) == str(declared.checksum)
    stored = service.objects[FULL]
    assert stored.metadata["x-goog-meta-stac_asset_checksum"] == str(declared.checksum)
    service.requests.clear()
    destination = gcs_bucket.destination()
    assert await destination.existing(KEY, declared, "checksum") is not None
    other = Declared(size, multihash(b"other"))
    assert await destination.existing(KEY, other, "checksum") is None
    assert {method for method, _ in service.requests} == {"HEAD"}
    stored.metadata.clear()
    assert await destination.existing(KEY, declared, "checksum") is not None
    assert await destination.existing(KEY, other, "checksum") is None


@pytest.mark.parametrize(("size", "lost"), [(17, "PUT object"), (2 * PART + 17, "POST parts")])
async def test_repeated_request_recognizes_its_own_object(
    gcs_bucket: GcsBucket, size: int, lost: str
) -> None:
    gcs_bucket.service.lost = {lost}
    await send(gcs_bucket.destination(), data_of(size))
    assert not gcs_bucket.service.lost
    assert gcs_bucket.content(KEY) == data_of(size)


async def test_repeated_write_recognizes_its_own_document(gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.lost = {"PUT object"}
    version = await gcs_bucket.destination().write(KEY, b"document")
    assert not gcs_bucket.service.lost
    read = await gcs_bucket.destination().read(KEY)
    assert read is not None
    assert (read.data, read.version) == (b"document", version)


async def test_refused_part_ends_the_upload(gcs_bucket: GcsBucket) -> None:
    service, data = gcs_bucket.service, data_of(3 * PART)

    def refuse_last(method: str, key: str) -> web.Response | None:
        is_last = "partNumber=3" in service.requests[-1][1]
        return web.Response(status=403) if is_last else None

    service.before = refuse_last
    with pytest.raises(DestinationError, match="the service refuses the credentials"):
        await send(gcs_bucket.destination(), data)
    assert gcs_bucket.content(KEY) is None
    assert not gcs_bucket.has_leftovers()


@pytest.mark.parametrize("size", SIZES)
async def test_wrong_checksum_writes_no_object(gcs_bucket: GcsBucket, size: int) -> None:
    data = data_of(size)
    with pytest.raises(ChecksumError, match="but file:checksum declares"):
        await send(gcs_bucket.destination(), data, Declared(len(data), multihash(b"other")))
    assert gcs_bucket.content(KEY) is None
    assert not gcs_bucket.has_leftovers()


async def test_cancelled_writes_lose_no_bytes(gcs_bucket: GcsBucket) -> None:
    data = data_of(4 * PART + 17)
    async with gcs_bucket.destination().open_upload(KEY, SOURCE, NOTHING, True) as upload:
        await upload.begin(0, '"1"', len(data))
        step = 3 * PART // 4
        while upload.offset < len(data):
            chunk = data[upload.offset : upload.offset + step]
            task = asyncio.ensure_future(upload.write(chunk))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
        assert await upload.commit() == str(multihash(data))
    assert gcs_bucket.content(KEY) == data


async def test_large_files_wait_for_memory(gcs_bucket: GcsBucket) -> None:
    destination, size = gcs_bucket.destination(), 10 * PART
    opened: list[str] = []
    release = asyncio.Event()

    async def begin(key: str) -> None:
        async with destination.open_upload(key, SOURCE, NOTHING) as upload:
            await upload.begin(0, '"1"', size)
            opened.append(key)
            await release.wait()

    uploads = [asyncio.create_task(begin(f"item/{number}")) for number in range(10)]
    while len(opened) < 3:
        await asyncio.sleep(0.01)
    async with destination.open_upload("last", SOURCE, NOTHING) as upload:
        waits = asyncio.ensure_future(upload.begin(0, '"1"', 3 * PART))
        done, _ = await asyncio.wait((waits,), timeout=0.05)
        assert not done
        assert len(opened) == 3
        release.set()
        await waits
    await asyncio.gather(*uploads)
    assert len(opened) == 10


async def test_404_without_a_code_is_a_missing_bucket(gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.before = lambda method, key: web.Response(status=404)
    with pytest.raises(DestinationError, match="the bucket or container does not exist"):
        await gcs_bucket.destination().prepare(writable=False)


async def test_probe_of_a_killed_run_is_a_leftover(gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.put(f"{PREFIX}/.stac-asset-probe-1", b"")
    gcs_bucket.service.put(FULL, b"data")
    destination = gcs_bucket.destination()
    [found] = [leftover async for leftover in destination.leftovers()]
    assert found.location == f"gs://bucket/{PREFIX}/.stac-asset-probe-1"
    assert await destination.remove_leftover(found)
    assert list(gcs_bucket.service.objects) == [FULL]


async def test_file_is_listed_without_the_rest_of_the_prefix(gcs_bucket: GcsBucket) -> None:
    service = gcs_bucket.service
    for number in range(20):
        service.put(f"{PREFIX}/items/{number}.json", b"x")
    service.put(f"{PREFIX}/it.json", b"x")
    service.put(f"{PREFIX}/other/it.json", b"x")
    service.requests.clear()
    listed = [file.key async for file in gcs_bucket.destination().list_files("it.j")]
    assert listed == ["it.json"]
    assert len(service.requests) == 1
    listed = [file.key async for file in gcs_bucket.destination().list_files("it")]
    assert len(listed) == 21


async def test_engine_opens_no_further_connections(gcs_bucket: GcsBucket) -> None:
    size = 200 * 1024 * 1024
    response = Response(chunks=aiter_of(), size=size, validator='"1"', ranges=True)
    async with gcs_bucket.destination().open_upload(KEY, SOURCE, NOTHING) as upload:
        await upload.begin(0, '"1"', size)
        assert not can_split(response, upload)


async def aiter_of():  # type: ignore[no-untyped-def]
    yield b""


@given(st.integers(0, 5 * 1024**4) | st.none())
def test_all_files_fit_into_the_maximum_number_of_parts(size: int | None) -> None:
    part = part_size(size, PART)
    assert part >= PART
    assert size is None or part * 10_000 >= size
