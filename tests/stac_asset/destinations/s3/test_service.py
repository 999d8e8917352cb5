"""Capabilities of services, and buckets that cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from stac_asset.destinations.s3 import S3Destination, S3Store
from stac_asset.destinations.s3.keys import lease_key
from stac_asset.destinations.s3.lease import leased
from stac_asset.destinations.values import BusyError
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.stac_asset.destinations.s3.test_uploads import KEY, NOTHING, send
from tests.support.processes import poll
from tests.support.s3_destinations import PART, Bucket


@pytest.fixture
async def plain(service: str) -> AsyncIterator[Bucket]:
    """Return a bucket of a service that ignores the conditions of requests."""
    with S3Proxy(service, conditional=False) as proxy:
        async with Bucket.create(proxy.url) as bucket:
            yield bucket


async def test_probe_leaves_nothing(bucket: Bucket) -> None:
    destination = bucket.destination()
    await destination.prepare()
    assert await bucket.keys() == []


async def test_missing_bucket_is_refused(bucket: Bucket) -> None:
    async def connect() -> object:
        return bucket.client

    destination = S3Destination(S3Store(connect, "no-such-bucket"), "data")  # type: ignore[arg-type]
    with pytest.raises(DestinationError, match=r"s3://no-such-bucket/data/.*bucket"):
        await destination.prepare()


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (403, "AccessDenied", "Allow s3:PutObject"),
        (403, "InvalidAccessKeyId", "Correct the credentials"),
        (403, "SignatureDoesNotMatch", "Correct the credentials"),
        (400, "ExpiredToken", "Renew them"),
        (400, "AuthorizationHeaderMalformed", "destination_region"),
        (400, "KMS.NotFoundException", "correct `destination_kms_key_id`"),
        (503, "SlowDown", "Try again later"),
    ],
)
async def test_refusal_names_prefix_and_cure(
    proxied: Bucket, proxy: S3Proxy, status: int, code: str, cure: str
) -> None:
    proxy.fault("PutObject", Status(status, body=error_body(code)), times=0)
    with pytest.raises(DestinationError, match=f"s3://{proxied.name}/mirror/data/.*{cure}"):
        await proxied.destination().prepare()


async def test_missing_permission_to_delete_is_found_by_the_probe(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("DeleteObject", Status(403, body=error_body("AccessDenied")), times=0)
    with pytest.raises(DestinationError, match=r"Allow s3:PutObject.*s3:DeleteObject"):
        await proxied.destination().prepare()


@pytest.mark.parametrize(
    "operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
async def test_response_that_is_not_of_s3_is_an_error(
    proxied: Bucket, proxy: S3Proxy, operation: str
) -> None:
    proxy.fault(operation, Status(200, body=b"<html><body>Welcome</body></html>"), times=0)
    with pytest.raises(DestinationError, match=r"written: the response is not one of S3\. Check"):
        await send(proxied.destination(), data_of(2 * PART))
    proxy.clear()
    await send(proxied.destination(), data_of(2 * PART))
    assert not await proxied.has_leftovers()


async def test_bucket_with_object_lock_is_written(bucket: Bucket) -> None:
    name = f"{bucket.name}-locked"
    await bucket.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    await bucket.client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention},
    )
    locked = replace(bucket, name=name)
    for data in (data_of(100), data_of(2 * PART), data_of(200)):
        await send(locked.destination(), data)
        assert await locked.content(KEY) == data


async def test_server_that_is_no_object_store_is_refused() -> None:
    with Origin() as origin:
        async with Bucket.client_of(origin.url) as client:
            bucket = Bucket(origin.url, "bucket", client)
            with pytest.raises(DestinationError, match=r"s3://bucket/.* cannot be written"):
                await bucket.destination().prepare()


async def test_service_without_conditions_stores_files(plain: Bucket) -> None:
    for data in (data_of(100), data_of(2 * PART + 1)):
        await send(plain.destination(), data)
        assert await plain.content(KEY) == data
    assert not await plain.has_leftovers()


async def test_service_that_refuses_conditions_stores_files(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    """Some services check the condition of a small object only."""
    data = data_of(2 * PART)
    proxy.fault("CompleteMultipartUpload", Status(501, body=error_body("NotImplemented")))
    await send(proxied.destination(), data)
    assert await proxied.content(KEY) == data


async def test_lease_is_held_until_the_upload_ends(plain: Bucket) -> None:
    destination = plain.destination()
    full = f"{plain.prefix}/{KEY}"
    async with destination.open_upload(KEY, "source", NOTHING) as upload:
        assert lease_key(full) in await plain.keys()
        other = leased(plain.store(), full, wait=False)
        with pytest.raises(BusyError):
            await other.__aenter__()
        await upload.begin(0, '"1"', 3)
        await upload.write(b"abc")
        await upload.commit()
    async with leased(plain.store(), full, wait=False):
        pass
    assert not await plain.has_leftovers()


async def test_lease_is_renewed(plain: Bucket) -> None:
    full = f"{plain.prefix}/{KEY}"
    store = plain.store()
    async with leased(store, full, wait=False, renewal=0.01):
        first = await store.content(lease_key(full))
        await poll(lambda: store.content(lease_key(full)), lambda found: found != first)


async def test_second_run_waits_for_the_lease(plain: Bucket) -> None:
    full = f"{plain.prefix}/{KEY}"
    entered = asyncio.Event()

    async def second() -> None:
        async with leased(plain.store(), full, wait=True):
            entered.set()

    async with leased(plain.store(), full, wait=True):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.2)
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 30)
