"""Requests that are sent without botocore: small objects, listings and copies."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.s3 import ObjectSettings, S3Store
from stac_asset.destinations.s3.direct import MAX_DIRECT
from stac_asset.destinations.store_copy import StoredSource
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError
from stac_asset.testing import SLOW_DOWN, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.stac_asset.destinations.s3.test_uploads import KEY, SOURCE, multihash, send
from tests.support.s3_destinations import PART, Bucket


@pytest.fixture
def sent(proxied: Bucket) -> list[str]:
    """Return the operations of the requests of botocore."""
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


async def listed(store: S3Store, prefix: str, limit: int = 1000) -> list[StoredObject]:
    """Return the objects of a listing with a given size of pages."""
    return [one async for page in store.pages(prefix, "/", limit) for one in page]


async def test_listing_equals_that_of_botocore(proxied: Bucket, sent: list[str]) -> None:
    names = ["a b+c.bin", "&<é>%2B.bin", "d.bin", "e/f.bin"]
    for name in names:
        await proxied.put(name, name.encode())
    store, prefix = proxied.store(), f"{proxied.prefix}/"
    found = await listed(store, prefix, limit=2)
    assert {one.key for one in found} == {f"{prefix}{name}" for name in names[:3]}
    assert "ListObjectsV2" not in sent
    bare = Bucket(proxied.endpoint, proxied.name, proxied.client)
    assert await listed(bare.store(), prefix, limit=2) == found
    assert sent.count("ListObjectsV2") == 2


async def test_botocore_repeats_a_listing_that_is_another_document(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    await proxied.put("a.bin", b"abc")
    proxy.fault("ListObjectsV2", Status(200, body=b"<html></html>"))
    [found] = await listed(proxied.store(), f"{proxied.prefix}/")
    assert found.size == 3
    assert sent.count("ListObjectsV2") == 1


async def test_object_is_copied_without_botocore(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    await proxied.put("a b+é%.bin", b"abc")
    etag = (await proxied.head("a b+é%.bin"))["ETag"]
    source = StoredSource(
        proxied.name, f"{proxied.prefix}/a b+é%.bin", etag, 3, requester_pays=True
    )
    store = proxied.store(ObjectSettings(tags="a=b"))
    key = f"{proxied.prefix}/{KEY}"
    copied = await store.copies.copy(key, source, {"IfNoneMatch": "*"}, {"mark": "1"})
    found = await proxied.head(KEY)
    assert (found["ETag"], found["Metadata"]) == (copied, {"mark": "1"})
    assert await proxied.content(KEY) == b"abc"
    [request] = proxy.received("CopyObject")
    names = ("if-none-match", "x-amz-copy-source-if-match", "x-amz-request-payer", "x-amz-tagging")
    assert [request.headers[name] for name in names] == ["*", etag, "requester", "a=b"]
    directives = ("x-amz-metadata-directive", "x-amz-tagging-directive")
    assert [request.headers[name] for name in directives] == ["REPLACE", "REPLACE"]
    assert "CopyObject" not in sent


async def test_botocore_repeats_a_copy_that_fails_after_its_status(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    await proxied.put("a.bin", b"abc")
    etag = (await proxied.head("a.bin"))["ETag"]
    source = StoredSource(proxied.name, f"{proxied.prefix}/a.bin", etag, 3)
    proxy.fault("CopyObject", Status(200, body=error_body("InternalError")))
    assert await proxied.store().copies.copy(f"{proxied.prefix}/{KEY}", source, {}, {}) == etag
    assert sent.count("CopyObject") == 1


async def test_refused_copy_does_not_affect_other_requests(
    proxied: Bucket, proxy: S3Proxy, sent: list[str]
) -> None:
    store = proxied.store()
    source = StoredSource(proxied.name, "a.bin", '"1"', 3)
    proxy.fault("CopyObject", Status(403, body=error_body("AccessDenied")), times=0)
    for _ in range(2):
        with pytest.raises(DestinationError, match="no permission"):
            await store.copies.copy(KEY, source, {}, {})
    assert len(proxy.received("CopyObject")) == 3  # botocore sends the last two.
    await listed(store, "")
    assert sent == ["CopyObject", "CopyObject"]
