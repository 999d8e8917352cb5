"""Two runs of a mirror in a bucket, and readers that poll during a run."""

from __future__ import annotations

import asyncio
import re

import pytest

from stac_asset import Config
from stac_asset.destinations import VersionError
from stac_asset.errors import DestinationError
from stac_asset.mirror.storage.lease import held_lease
from stac_asset.testing import Lost, Origin, Reset, S3Proxy
from stac_asset.testing.s3_proxy import SLOW_DOWN, S3Request
from tests.support.mirror_runs import build_item, serve_items
from tests.support.processes import wait_until
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import (
    HttpReader,
    PollingReader,
    items_of,
    mirror_url,
    run_in_bucket,
    store_config,
)


def inject_faults(proxy: S3Proxy) -> None:
    proxy.fault("PutObject", Lost(), key="*/catalog.json")
    proxy.fault("PutObject", Lost(None), key="*/collection.json")
    proxy.fault("PutObject", SLOW_DOWN, key="*/item-*.json", times=2)
    proxy.fault("PutObject", Lost(), key="*/new-*.json")
    proxy.fault("DeleteObject", Lost())
    proxy.fault("ListObjectsV2", Reset())
    proxy.fault("GetObject", SLOW_DOWN, key="*/index.ndjson")


async def test_second_run_fails_while_a_run_is_in_progress(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one"))

    async def second() -> None:
        requests = len(origin.gets("*"))
        with pytest.raises(
            DestinationError,
            match=f"`directory` '{mirror_url(bucket)}' is being updated by another run. Wait for "
            "that run to end, or choose another directory.",
        ):
            await run_in_bucket(bucket, href, config)
        assert len(origin.gets("*")) == requests

    first = await run_in_bucket(bucket, href, config, during=second)
    assert first.reasons == {"one": "NEW"}
    assert HttpReader(bucket).check() == {"one"}
    assert await bucket.content(".mirror/lock.json") is None


async def test_abandoned_lease_is_taken(origin: Origin, bucket: Bucket, store: Config) -> None:
    await bucket.put(".mirror/lock.json", b'{"owner": "killed", "renewals": 3}')
    href = serve_items(origin, items_of(origin, "one"))
    await run_in_bucket(bucket, href, store_config(store))
    assert HttpReader(bucket).check() == {"one"}
    assert await bucket.content(".mirror/lock.json") is None


async def test_run_without_lease_writes_no_more(bucket: Bucket) -> None:
    destination = bucket.destination()
    async with held_lease(destination, mirror_url(bucket), renewal=0.05) as lease:
        await lease.check()
        await bucket.put(".mirror/lock.json", b"another run")

        async def is_lost() -> bool:
            try:
                await lease.check()
            except VersionError:
                return True
            return False

        while not await is_lost():
            await asyncio.sleep(0.01)
        with pytest.raises(VersionError):
            await lease.check()
    assert await bucket.content(".mirror/lock.json") == b"another run"


@pytest.mark.parametrize("key", ["catalog.json", "things/one/one.json", ".mirror/begun.ndjson"])
async def test_document_of_another_run_is_not_replaced(
    origin: Origin, bucket: Bucket, store: Config, key: str
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one"))
    await run_in_bucket(bucket, href, config)
    changed, new = build_item(origin, "one", "data", "more"), build_item(origin, "two")
    serve_items(origin, [changed, new])
    by_another_run = b'{"written by": "another run"}'
    with pytest.raises(
        VersionError,
        match=re.escape(
            f"{mirror_url(bucket)}/{key} was written by another run at the same time, and is not "
            "replaced. Start one run at a time for a destination."
        ),
    ):
        await run_in_bucket(bucket, href, config, during=lambda: bucket.put(key, by_another_run))
    assert await bucket.content(key) == by_another_run


async def test_reader_sees_whole_documents_and_existing_objects(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store, s3_max_attempts=6)
    names = [f"item-{number}" for number in range(6)]
    href = serve_items(origin, items_of(origin, *names))
    await run_in_bucket(bucket, href, config)
    with PollingReader(bucket) as reader:
        for step in range(1, 4):
            # Each step changes a third of the items, adds an item, and removes an item.
            items = items_of(origin, *names[step:], f"new-{step}")
            for item in items[::3]:
                asset = item["assets"]["data"]
                asset["href"] = asset["href"].replace("data.tif", f"data_v{step}.tif")
            serve_items(origin, items)
            inject_faults(proxy)
            await run_in_bucket(bucket, href, config, on_removed="delete")
            await wait_until(lambda: reader.error or reader.seen)
    assert HttpReader(bucket).check() == {item["id"] for item in items}


async def test_mirror_is_whole_after_each_write(
    origin: Origin, bucket: Bucket, service: str, store: Config
) -> None:
    """A reader follows all links between two requests of a run, while the service waits."""
    reader, problems = HttpReader(bucket), list[str]()
    seen: list[set[str]] = []

    def check(request: S3Request) -> None:
        if request.operation in ("PutObject", "CompleteMultipartUpload", "DeleteObject"):
            try:
                seen.append(reader.check())
            except (AssertionError, ValueError) as error:
                problems.append(f"{request.operation} of {request.key}: {error}")

    with S3Proxy(service, on_request=check) as proxy:
        config = store_config(store, destination_endpoint_url=proxy.url)
        href = serve_items(origin, items_of(origin, "one", "two"))
        await run_in_bucket(bucket, href, config, renewal=10)
        items = items_of(origin, "one", "three")
        asset = items[0]["assets"]["data"]
        asset["href"] = asset["href"].replace("data.tif", "data_v2.tif")
        serve_items(origin, items)
        await run_in_bucket(bucket, href, config, on_removed="delete", renewal=10)
    assert problems == []
    assert {"one", "two"} in seen
    assert seen[-1] == {"one", "three"}
