"""Uploads to S3: faults of the service, concurrent runs, and resumed uploads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace

import pytest

from stac_asset.destinations.buckets.keys import PROBE
from stac_asset.destinations.s3 import ObjectSettings, S3Destination
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.note import starting_note
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError
from stac_asset.integrity import Multihash
from stac_asset.testing import SLOW_DOWN, Lost, Reset, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.support.s3_destinations import PART, Bucket

KEY = "item/B04.tif"
SOURCE = "https://example.com/B04.tif"
NOTHING = Declared()


def multihash(data: bytes) -> Multihash:
    return Multihash(0x12, hashlib.sha256(data).digest())


def parts_of(proxy: S3Proxy) -> list[int]:
    """Return the numbers of the received parts."""
    return sorted(one.part or 0 for one in proxy.received("UploadPart"))


async def send(
    destination: S3Destination,
    data: bytes,
    declared: Declared = NOTHING,
    stop_after: int | None = None,
    hashed: bool = False,
) -> str | None:
    """Upload the bytes that the destination does not have, and return the multihash.

    Args:
        destination: The destination.
        data: The content of the file.
        declared: The declared size and checksum.
        stop_after: Number of bytes after which the upload is left.
        hashed: Whether to compute a checksum.
    """
    async with destination.open_upload(KEY, SOURCE, declared, hashed) as upload:
        await upload.begin(upload.offset, '"1"', len(data))
        end = len(data) if stop_after is None else stop_after
        for start in range(upload.offset, end, 1 << 20):
            await upload.write(data[start : min(start + (1 << 20), end)])
        return await upload.commit() if stop_after is None else None


async def test_later_run_sends_only_missing_parts(proxied: Bucket, proxy: S3Proxy) -> None:
    data = data_of(3 * PART + 17)
    await send(proxied.destination(), data, stop_after=2 * PART + 5)
    assert parts_of(proxy) == [1, 2]
    await send(proxied.destination(), data)
    assert parts_of(proxy) == [1, 2, 3, 4]
    assert len(proxy.received("CreateMultipartUpload")) == 1
    assert await proxied.content(KEY) == data
    assert not await proxied.has_leftovers()


async def test_service_can_check_each_part(proxied: Bucket, proxy: S3Proxy) -> None:
    data = data_of(2 * PART + 17)
    await send(proxied.destination(), data)
    parts = [data[start : start + PART] for start in range(0, len(data), PART)]
    digests = [base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts]
    received = sorted(proxy.received("UploadPart"), key=lambda one: one.part or 0)
    assert [one.headers["x-amz-checksum-sha256"] for one in received] == digests


async def test_stored_part_of_another_size_is_sent_again(proxied: Bucket, proxy: S3Proxy) -> None:
    data = data_of(3 * PART)
    await send(proxied.destination(), data, stop_after=2 * PART)
    [upload] = await proxied.uploads()
    await proxied.client.upload_part(
        Bucket=proxied.name,
        Key=upload["Key"],
        UploadId=upload["UploadId"],
        PartNumber=2,
        Body=data[PART : 2 * PART - 1],
    )
    proxy.clear()
    await send(proxied.destination(), data)
    assert parts_of(proxy) == [2, 3]
    assert await proxied.content(KEY) == data


async def test_parts_with_a_declared_checksum_are_sent_once(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    data = data_of(3 * PART)
    declared = Declared(len(data), multihash(data))
    await send(proxied.destination(), data, declared, stop_after=2 * PART)
    assert await send(proxied.destination(), data, declared) == str(declared.checksum)
    assert parts_of(proxy) == [1, 2, 3]
    assert await proxied.content(KEY) == data


async def test_parts_of_another_version_are_sent_again(proxied: Bucket, proxy: S3Proxy) -> None:
    old, new = data_of(3 * PART), data_of(4 * PART)[PART:]
    await send(proxied.destination(), old, Declared(3 * PART, multihash(old)), stop_after=2 * PART)
    await send(proxied.destination(), new, Declared(3 * PART, multihash(new)))
    assert parts_of(proxy) == [1, 1, 2, 2, 3]
    assert await proxied.content(KEY) == new


async def test_multihash_is_kept_in_the_metadata(bucket: Bucket) -> None:
    data = data_of(2 * PART)
    await send(bucket.destination(), data, Declared(checksum=multihash(data)))
    assert (await bucket.head(KEY))["Metadata"]["stac-asset-checksum"] == str(multihash(data))
    small = data_of(100)
    async with bucket.destination().open_upload("a.bin", SOURCE, NOTHING, hashed=True) as upload:
        await upload.begin(0, '"1"', 100)
        await upload.write(small)
        await upload.commit()
    assert (await bucket.head("a.bin"))["Metadata"]["stac-asset-checksum"] == str(multihash(small))


async def test_recorded_checksum_saves_reading_the_object(proxied: Bucket, proxy: S3Proxy) -> None:
    data = data_of(PART + 1)
    declared = Declared(len(data), multihash(data))
    await send(proxied.destination(), data, declared)
    assert await proxied.destination().existing(KEY, declared, "checksum") is not None
    wrong = Declared(len(data), multihash(b"other"))
    assert await proxied.destination().existing(KEY, wrong, "checksum") is None
    assert not proxy.received("GetObject")
    await proxied.put(KEY, data)  # Another program records no checksum.
    assert await proxied.destination().existing(KEY, declared, "checksum") is not None
    assert await proxied.destination().existing(KEY, wrong, "checksum") is None
    assert len(proxy.received("GetObject")) == 2


@pytest.mark.parametrize("size", [100, PART + 1])
async def test_lost_response_of_the_last_request_is_no_error(
    proxied: Bucket, proxy: S3Proxy, size: int
) -> None:
    data = data_of(size)
    for operation in ("PutObject", "CompleteMultipartUpload"):
        proxy.fault(operation, Lost(), key=f"*{KEY}")
    await send(proxied.destination(), data)
    await proxied.put("old.bin", b"old")
    proxy.clear()
    for operation in ("PutObject", "CompleteMultipartUpload"):
        proxy.fault(operation, Lost(status=None), key=f"*{KEY}")
    await send(proxied.destination(), data)  # Now an object is replaced.
    assert await proxied.content(KEY) == data
    assert not await proxied.has_leftovers()


async def test_throttled_and_reset_requests_are_repeated(proxied: Bucket, proxy: S3Proxy) -> None:
    for operation in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        proxy.fault(operation, SLOW_DOWN)
        proxy.fault(operation, Reset(-1))
    data = data_of(2 * PART)
    await send(proxied.destination(), data)
    assert await proxied.content(KEY) == data
    assert not await proxied.has_leftovers()


# moto does not check the condition `If-Match` of multipart uploads: see the next test.
@pytest.mark.parametrize(("size", "existing"), [(100, None), (100, b"old"), (PART + 1, None)])
async def test_object_of_another_run_is_not_replaced(
    bucket: Bucket, size: int, existing: bytes | None
) -> None:
    if existing is not None:
        await bucket.put(KEY, existing)
    async with bucket.destination().open_upload(KEY, SOURCE, NOTHING) as upload:
        await upload.begin(0, '"1"', size)
        await upload.write(data_of(size))
        await bucket.put(KEY, b"of another run")
        with pytest.raises(DestinationError, match="was written by another run"):
            await upload.commit()
        await upload.discard()
    assert await bucket.content(KEY) == b"of another run"


async def test_replaced_object_is_a_condition_of_a_multipart_upload(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    await proxied.put(KEY, b"old")
    etag = (await proxied.head(KEY))["ETag"]
    proxy.fault("CompleteMultipartUpload", Status(412, body=error_body("PreconditionFailed")))
    with pytest.raises(DestinationError, match="was written by another run"):
        await send(proxied.destination(), data_of(2 * PART))
    [request] = proxy.received("CompleteMultipartUpload")
    assert request.headers["if-match"] == etag


async def test_refused_condition_is_repeated_while_the_object_is_the_same(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    for size in (100, 2 * PART):
        conflict = Status(409, body=error_body("ConditionalRequestConflict"))
        proxy.fault("CompleteMultipartUpload", conflict, times=2)
        proxy.fault("PutObject", conflict, key=f"*{KEY}")
        await send(proxied.destination(), data_of(size))
        assert await proxied.content(KEY) == data_of(size)


async def test_invalid_note_is_removed(bucket: Bucket) -> None:
    await bucket.put(note_key(KEY), b"\x00 no note")
    data = data_of(PART + 1)
    await send(bucket.destination(), data)
    assert await bucket.content(KEY) == data
    assert not await bucket.has_leftovers()


async def test_note_of_an_upload_that_is_gone_is_removed(bucket: Bucket) -> None:
    data = data_of(2 * PART + 1)
    await send(bucket.destination(), data, stop_after=PART)
    [upload] = await bucket.uploads()
    await bucket.client.abort_multipart_upload(
        Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"]
    )
    await send(bucket.destination(), data)
    assert await bucket.content(KEY) == data
    assert not await bucket.has_leftovers()


async def test_upload_whose_id_is_lost_is_aborted_by_the_next_run(
    bucket: Bucket, proxy: S3Proxy
) -> None:
    """As after a kill between the request that starts an upload and the note with the id."""
    proxy.fault("CreateMultipartUpload", Lost(status=None))
    async with Bucket.client_of(proxy.url, attempts=1) as client:
        with pytest.raises(DestinationError):
            await send(replace(bucket, client=client).destination(), data_of(2 * PART))
    foreign = await bucket.client.create_multipart_upload(
        Bucket=bucket.name, Key=f"{bucket.prefix}/{KEY}-2"
    )
    assert len(await bucket.uploads()) == 2
    await send(bucket.destination(), data_of(2 * PART))
    assert await bucket.content(KEY) == data_of(2 * PART)
    assert [one["UploadId"] for one in await bucket.uploads()] == [foreign["UploadId"]]


async def test_upload_of_a_lost_response_is_aborted(proxied: Bucket, proxy: S3Proxy) -> None:
    full = f"{proxied.prefix}/{KEY}"
    client = proxied.client
    await client.create_multipart_upload(Bucket=proxied.name, Key=f"{full}-2")
    proxy.fault("CreateMultipartUpload", Lost())
    proxy.fault("CreateMultipartUpload", Lost(status=None))
    await send(proxied.destination(), data_of(2 * PART))
    assert await proxied.content(KEY) == data_of(2 * PART)
    assert [one["Key"] for one in await proxied.uploads()] == [f"{full}-2"]


async def test_service_that_does_not_list_uploads_stores_files(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("CreateMultipartUpload", SLOW_DOWN)
    unknown = Status(501, body=error_body("NotImplemented"))
    proxy.fault("ListMultipartUploads", unknown, times=0)
    await proxied.put(note_key(KEY), starting_note(f"{proxied.prefix}/{KEY}"))
    await send(proxied.destination(), data_of(2 * PART))
    assert await proxied.content(KEY) == data_of(2 * PART)
    assert len(proxy.received("ListMultipartUploads")) >= 2


async def test_complete_object_is_no_failure_if_the_note_stays(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    denied = Status(403, body=error_body("AccessDenied"))
    proxy.fault("DeleteObject", denied, key="*.part.json")
    await send(proxied.destination(), data_of(2 * PART))
    assert await proxied.content(KEY) == data_of(2 * PART)
    await send(proxied.destination(), data_of(3 * PART))
    assert await proxied.content(KEY) == data_of(3 * PART)
    assert not await proxied.has_leftovers()


async def test_object_that_is_removed_before_its_checksum_is_read_is_an_error(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    data = data_of(2 * PART)
    await send(proxied.destination(), data, stop_after=PART)
    proxy.fault("GetObject", Status(404, body=error_body("NoSuchKey")), key=f"*{KEY}")
    with pytest.raises(DestinationError, match=f"{KEY} was removed by another program"):
        await send(proxied.destination(), data, hashed=True)


async def test_error_names_the_url_and_keeps_the_previous_file(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    await proxied.put(KEY, b"old")
    proxy.fault("UploadPart", SLOW_DOWN, times=0)
    with pytest.raises(DestinationError, match=f"s3://{proxied.name}/mirror/data/{KEY} cannot be"):
        await send(proxied.destination(), data_of(2 * PART))
    assert await proxied.content(KEY) == b"old"
    proxy.clear()
    await send(proxied.destination(), data_of(2 * PART))
    assert not await proxied.has_leftovers()


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        (
            ObjectSettings(storage_class="STANDARD_IA", acl="private", tags="project=mirror"),
            {"storage-class": "STANDARD_IA", "acl": "private", "tagging": "project=mirror"},
        ),
        (
            ObjectSettings(encryption="aws:kms", kms_key_id="key-of-the-mirror"),
            {
                "server-side-encryption": "aws:kms",
                "server-side-encryption-aws-kms-key-id": "key-of-the-mirror",
            },
        ),
    ],
    ids=["class, permission and tags", "encryption"],
)
async def test_settings_are_sent_for_each_kind_of_object(
    proxied: Bucket, proxy: S3Proxy, settings: ObjectSettings, headers: dict[str, str]
) -> None:
    destination = proxied.destination(settings=settings)
    await send(destination, data_of(PART + 1))
    await destination.write("item.json", b"{}")
    created = proxy.received("CreateMultipartUpload") + proxy.received("PutObject", "*item.json")
    assert len(created) == 2
    for request in created:
        assert {name: request.headers[f"x-amz-{name}"] for name in headers} == headers


async def test_conditional_requests_are_tried_once_per_run(proxied: Bucket, proxy: S3Proxy) -> None:
    destination = proxied.destination()
    await destination.prepare()
    for size in (100, PART + 1, 2 * PART):
        await send(destination, data_of(size))
    assert len({one.key for one in proxy.received("PutObject", f"*/{PROBE}*")}) == 1
    assert len(proxy.received("DeleteObject", f"*/{PROBE}*")) == 1


async def test_folder_is_listed_once(proxied: Bucket, proxy: S3Proxy) -> None:
    destination = proxied.destination()
    await destination.prepare()
    proxy.clear()

    async def store(number: int) -> None:
        key = f"item/{number}.bin"
        assert await destination.existing(key, NOTHING, "size") is None
        async with destination.open_upload(key, SOURCE, NOTHING) as upload:
            await upload.begin(0, '"1"', 3)
            await upload.write(b"abc")
            await upload.commit()
        assert await destination.existing(key, NOTHING, "size") is not None

    await asyncio.gather(*(store(number) for number in range(20)))
    operations = {one.operation for one in proxy.received()}
    assert operations == {"ListObjectsV2", "PutObject"}
    assert len(proxy.received("ListObjectsV2")) == 1
    assert len(proxy.received("PutObject")) == 20


async def test_memory_for_parts_is_limited(proxied: Bucket, proxy: S3Proxy) -> None:
    """Parts that cannot be sent wait, and do not fill the memory."""
    destination = proxied.destination()
    data = data_of(4 * PART)
    received = 0

    async def upload(number: int) -> None:
        nonlocal received
        async with destination.open_upload(f"{number}.bin", SOURCE, NOTHING) as upload:
            await upload.begin(0, '"1"', len(data))
            for start in range(0, len(data), PART):
                await upload.write(data[start : start + PART])
                received += PART
            await upload.commit()

    uploads = [asyncio.create_task(upload(number)) for number in range(6)]
    most = 0
    while not all(task.done() for task in uploads):
        most = max(most, destination._budget.used)
        await asyncio.sleep(0.01)
    await asyncio.gather(*uploads)
    assert received == 6 * len(data)
    assert PART < most <= 36 * 1024 * 1024
    assert destination._budget.used == 0
