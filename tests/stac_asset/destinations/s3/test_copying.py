"""Copies within the store: parts, checksums that the store computes, and other runs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from stac_asset.destinations.s3 import S3Destination
from stac_asset.destinations.store_copy import StoreAccess, StoreCopy, StoredSource
from stac_asset.destinations.values import Declared
from stac_asset.errors import ChecksumError, DestinationError
from stac_asset.integrity import Multihash
from stac_asset.testing import SLOW_DOWN, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.stac_asset.destinations.s3.test_uploads import KEY, SOURCE, multihash, send
from tests.support.s3_destinations import MIB, PART, Bucket

DATA = data_of(2 * PART + 17)


async def source_of(bucket: Bucket, data: bytes = DATA) -> StoredSource:
    """Write the object to copy."""
    await bucket.put("source.bin", data)
    etag = (await bucket.head("source.bin"))["ETag"]
    return StoredSource(bucket.name, f"{bucket.prefix}/source.bin", etag, len(data))


async def copy(
    bucket: Bucket,
    source: StoredSource,
    declared: Declared | None = None,
    hashed: bool = False,
    limit: int = PART,
) -> StoreCopy | None:
    """Copy an object to the key, with at most `limit` bytes by request."""
    destination = S3Destination(
        bucket.store(), bucket.prefix, bucket.endpoint, PART, largest_copy=limit
    )
    opened = destination.open_upload(KEY, SOURCE, declared or Declared(), hashed)
    async with opened as upload:
        return await upload.copy(source)


def report_checksums(bucket: Bucket, data: bytes) -> None:
    """Let the service report the SHA-256 digest of copied parts, as AWS does and moto does not."""

    def add(parsed: dict[str, Any], **_: Any) -> None:
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        parsed["CopyPartResult"]["ChecksumSHA256"] = digest

    bucket.client.meta.events.register("after-call.s3.UploadPartCopy", add)


def sent(proxy: S3Proxy) -> list[str]:
    """Return the operations of requests for the object, except those of the note."""
    return [one.operation for one in proxy.received("*", f"*{KEY}")]


async def test_large_object_is_copied_in_parts(proxied: Bucket, proxy: S3Proxy) -> None:
    source = await source_of(proxied)
    copied = await copy(proxied, source)
    assert copied == StoreCopy(len(DATA))
    assert await proxied.content(KEY) == DATA
    ranges = {one.headers["x-amz-copy-source-range"] for one in proxy.received("UploadPartCopy")}
    assert ranges == {
        f"bytes=0-{PART - 1}",
        f"bytes={PART}-{2 * PART - 1}",
        f"bytes={2 * PART}-{len(DATA) - 1}",
    }
    [completion] = proxy.received("CompleteMultipartUpload")
    assert completion.headers["if-none-match"] == "*"
    assert not proxy.received("UploadPart")
    assert not await proxied.has_leftovers()


async def test_checksum_of_a_large_object_requires_the_bytes(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    source = await source_of(proxied)
    assert await copy(proxied, source, Declared(checksum=multihash(DATA))) is None
    assert await copy(proxied, source, hashed=True) is None
    assert sent(proxy) == []


async def test_store_computes_the_checksum_of_a_single_part(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    source = await source_of(proxied)
    report_checksums(proxied, DATA)
    for declared in (Declared(checksum=multihash(DATA)), Declared()):
        copied = await copy(proxied, source, declared, hashed=True, limit=50 * MIB)
        assert copied == StoreCopy(len(DATA), multihash(DATA))
        assert await proxied.content(KEY) == DATA
    assert len(proxy.received("UploadPartCopy")) == 2
    assert not proxy.received("GetObject", "*source.bin")
    assert not await proxied.has_leftovers()


async def test_wrong_checksum_is_found_before_the_key_changes(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    await proxied.put(KEY, b"old")
    source = await source_of(proxied)
    report_checksums(proxied, DATA)
    with pytest.raises(ChecksumError, match="but file:checksum declares"):
        await copy(proxied, source, Declared(checksum=multihash(b"other")), limit=50 * MIB)
    assert await proxied.content(KEY) == b"old"
    assert not proxy.received("CompleteMultipartUpload")
    assert not await proxied.has_leftovers()


async def test_store_without_checksums_of_parts_does_not_copy(proxied: Bucket) -> None:
    source = await source_of(proxied)
    declared = Declared(checksum=multihash(DATA))
    assert await copy(proxied, source, declared, limit=50 * MIB) is None
    assert await proxied.content(KEY) is None
    assert not await proxied.has_leftovers()


async def test_known_checksum_is_kept_in_the_metadata(bucket: Bucket) -> None:
    source = await source_of(bucket)
    known = StoredSource(source.bucket, source.key, source.etag, source.size, (multihash(DATA),))
    for limit in (PART, 50 * MIB):
        declared = Declared(len(DATA), multihash(DATA))
        assert await copy(bucket, known, declared, limit=limit) == StoreCopy(
            len(DATA), multihash(DATA)
        )
        metadata = (await bucket.head(KEY))["Metadata"]
        assert metadata["stac-asset-checksum"] == str(multihash(DATA))


async def test_truncated_checksums_are_compared(bucket: Bucket) -> None:
    source = await source_of(bucket, b"abc")
    full = multihash(b"abc")
    known = StoredSource(source.bucket, source.key, source.etag, source.size, (full,))
    short = Declared(checksum=Multihash(0x12, full.digest[:20]))
    assert await copy(bucket, known, short) is not None
    with pytest.raises(ChecksumError):
        await copy(bucket, known, Declared(checksum=Multihash(0x12, b"x" * 20)))


@pytest.mark.parametrize("limit", [PART, 50 * MIB])
async def test_changed_source_is_not_copied(proxied: Bucket, proxy: S3Proxy, limit: int) -> None:
    source = await source_of(proxied)
    await proxied.put("source.bin", DATA[:-1] + b"!")
    refused = Status(412, body=error_body("PreconditionFailed"))  # moto ignores the condition.
    proxy.fault("CopyObject", refused, times=0)
    proxy.fault("UploadPartCopy", refused, times=0)
    assert await copy(proxied, source, limit=limit) is None
    assert await proxied.content(KEY) is None
    assert not await proxied.has_leftovers()


async def test_object_of_another_run_is_not_replaced(proxied: Bucket, proxy: S3Proxy) -> None:
    source = await source_of(proxied)
    refused = Status(412, body=error_body("PreconditionFailed"))
    for operation, limit in {"CopyObject": 50 * MIB, "CompleteMultipartUpload": PART}.items():
        proxy.fault(operation, refused, times=0)
        with pytest.raises(DestinationError, match="was written by another run"):
            await copy(proxied, source, limit=limit)
    assert not await proxied.has_leftovers()


async def test_failed_part_aborts_the_copy(proxied: Bucket, proxy: S3Proxy) -> None:
    source = await source_of(proxied)
    proxy.fault("UploadPartCopy", SLOW_DOWN, times=0)
    assert await copy(proxied, source) is None
    assert not await proxied.has_leftovers()


@pytest.mark.parametrize("limit", [PART, 50 * MIB])
async def test_service_that_does_not_know_copies_stores_nothing(
    proxied: Bucket, proxy: S3Proxy, limit: int
) -> None:
    """rclone takes UploadPartCopy for an empty part, and answers without an ETag."""
    source = await source_of(proxied)
    proxy.fault("UploadPartCopy", Status(200, body=b"<CopyPartResult/>"), times=0)
    proxy.fault("CopyObject", Status(200, body=b"<CopyObjectResult/>"), times=0)
    assert await copy(proxied, source, limit=limit) is None
    assert await proxied.content(KEY) is None
    assert not await proxied.has_leftovers()


async def test_service_that_does_not_know_copies_keeps_the_previous_object(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    """Such a service takes CopyObject for an empty object, so the request must not be sent."""
    source = await source_of(proxied)
    await proxied.put(KEY, b"old")
    proxy.fault("UploadPartCopy", Status(200, body=b"<CopyPartResult/>"), times=0)
    assert await copy(proxied, source, limit=50 * MIB) is None
    assert "CopyObject" not in sent(proxy)
    assert await proxied.content(KEY) == b"old"
    assert not await proxied.has_leftovers()


@pytest.mark.parametrize("size", [100, 2 * PART])
async def test_object_is_copied_onto_itself(bucket: Bucket, size: int) -> None:
    await bucket.put(KEY, data_of(size))
    etag = (await bucket.head(KEY))["ETag"]
    source = StoredSource(bucket.name, f"{bucket.prefix}/{KEY}", etag, size)
    assert await copy(bucket, source, limit=50 * MIB) is not None
    assert await bucket.content(KEY) == data_of(size)
    assert not await bucket.has_leftovers()


async def test_unfinished_upload_is_replaced_by_a_copy(bucket: Bucket) -> None:
    source = await source_of(bucket)
    await send(bucket.destination(), DATA, stop_after=PART)
    assert await copy(bucket, source, limit=50 * MIB) is not None
    assert await bucket.content(KEY) == DATA
    assert not await bucket.has_leftovers()


async def test_empty_object_is_not_copied(bucket: Bucket) -> None:
    assert await copy(bucket, await source_of(bucket, b"")) is None


def test_credentials_and_endpoints_are_compared() -> None:
    endpoint = "http://host", ""
    own = StoreAccess(endpoint, frozenset({"digest", "default"}))
    assert own.is_same(StoreAccess(endpoint, frozenset({"digest"})))
    assert not own.is_same(StoreAccess(endpoint, frozenset({"other"})))
    assert not own.is_same(StoreAccess(None, own.credentials))
    assert not StoreAccess(None, frozenset()).is_same(StoreAccess(None, frozenset()))
    assert "digest" not in repr(own)
