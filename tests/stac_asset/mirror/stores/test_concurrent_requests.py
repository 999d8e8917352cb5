"""Concurrent requests of a mirror in a bucket, and the order of requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.errors import DestinationError
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.testing import Delay, Origin, S3Proxy, Status
from stac_asset.testing.s3_proxy import S3Request
from tests.support.mirror_runs import serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import HttpReader, items_of, run_in_bucket, store_config

NAMES = [f"item-{number}" for number in range(8)]
DOCUMENT = "*/things/item-*/item-?.json"


def concurrent(requests: list[S3Request]) -> int:
    """Return the largest number of these requests that were in progress at the same time."""
    return max(
        sum(other.began <= request.began < other.ended for other in requests)
        for request in requests
    )


def titled(items: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """Return items with other metadata."""
    for item in items:
        item["properties"]["title"] = title
    return items


async def test_item_documents_are_written_at_the_same_time_and_before_the_catalog(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    proxy.fault("PutObject", Delay(0.5), key=DOCUMENT, times=2)
    href = serve_items(origin, items_of(origin, *NAMES))
    await run_in_bucket(bucket, href, store_config(store))
    documents = proxy.received("PutObject", DOCUMENT)
    assert len(documents) == len(NAMES)
    assert concurrent(documents) > 1
    written = [one.key.rpartition("/")[2] for one in proxy.received("PutObject")]
    last = max(written.index(f"{name}.json") for name in NAMES)
    published = [written.index(name) for name in ("collection.json", "catalog.json")]
    assert [last, *published] == sorted([last, *published])
    assert HttpReader(bucket).check() == set(NAMES)


async def test_number_of_concurrent_writes_is_limited(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    proxy.fault("PutObject", Delay(0.5), key=DOCUMENT, times=2)
    href = serve_items(origin, items_of(origin, *NAMES))
    await run_in_bucket(bucket, href, store_config(store), concurrency=2)
    assert concurrent(proxy.received("PutObject", DOCUMENT)) == 2


async def test_changed_metadata_is_read_and_written_at_the_same_time(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, *NAMES))
    await run_in_bucket(bucket, href, config)
    proxy.clear()
    for operation in ("GetObject", "PutObject"):
        proxy.fault(operation, Delay(0.5), key=DOCUMENT, times=2)
    serve_items(origin, titled(items_of(origin, *NAMES), "corrected"))
    run = await run_in_bucket(bucket, href, config)
    assert run.metadata_ids == set(NAMES)
    for operation in ("GetObject", "PutObject"):
        assert concurrent(proxy.received(operation, DOCUMENT)) > 1
    proxy.clear()
    assert (await run_in_bucket(bucket, href, config)).metadata_ids == set()


@pytest.mark.parametrize(
    ("on_removed", "operation"), [("mark", "PutObject"), ("delete", "DeleteObject")]
)
async def test_removed_items_are_handled_at_the_same_time(
    origin: Origin,
    bucket: Bucket,
    store: Config,
    proxy: S3Proxy,
    on_removed: OnRemoved,
    operation: str,
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, *NAMES))
    await run_in_bucket(bucket, href, config)
    proxy.clear()
    proxy.fault(operation, Delay(0.5), key=DOCUMENT, times=2)
    serve_items(origin, items_of(origin, NAMES[0]))
    await run_in_bucket(bucket, href, config, on_removed=on_removed)
    assert concurrent(proxy.received(operation, DOCUMENT)) > 1
    assert HttpReader(bucket).check() == set(NAMES[:1] if on_removed == "delete" else NAMES)


async def test_removed_items_are_deleted_after_links_and_before_files(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, *NAMES))
    await run_in_bucket(bucket, href, config)
    proxy.clear()
    proxy.fault("DeleteObject", Delay(0.05), key=DOCUMENT, times=0)
    serve_items(origin, items_of(origin, NAMES[0]))
    await run_in_bucket(bucket, href, config, on_removed="delete")
    changes = [
        (one.operation, one.key.removeprefix(f"{bucket.prefix}/"))
        for one in proxy.received()
        if one.operation in ("PutObject", "DeleteObject")
    ]
    for name in NAMES[1:]:
        steps = [
            ("PutObject", "things/collection.json"),
            ("DeleteObject", f"things/{name}/{name}.json"),
            ("DeleteObject", f"things/{name}/data.tif"),
            ("DeleteObject", ".mirror/begun.ndjson"),
        ]
        positions = [changes.index(step) for step in steps]
        assert positions == sorted(positions)


async def test_geoparquet_file_requests_only_unchanged_documents_and_each_once(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store)
    items = items_of(origin, *NAMES)
    for number, item in enumerate(items):  # Several types take several passes.
        item["properties"]["odd"] = number if number % 2 else "text"
    href = serve_items(origin, items)
    await run_in_bucket(bucket, href, config)
    assert proxy.received("GetObject", DOCUMENT) == []
    assert await bucket.content("items.parquet") is not None
    proxy.clear()
    serve_items(origin, [*items, *items_of(origin, "item-8")])
    await run_in_bucket(bucket, href, config)
    requested = [one.key.rpartition("/")[2] for one in proxy.received("GetObject", DOCUMENT)]
    assert sorted(requested) == [f"{name}.json" for name in NAMES]


async def test_error_of_a_write_fails_the_run_after_the_other_writes(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, *NAMES))
    proxy.fault("PutObject", Status(403), key="*/item-3.json", times=0)
    with pytest.raises(DestinationError, match=r"item-3\.json"):
        await run_in_bucket(bucket, href, config)
    proxy.clear()
    run = await run_in_bucket(bucket, href, config)
    assert "item-3" in run.reasons
    assert HttpReader(bucket).check() == set(NAMES)


async def test_mirrors_do_not_occupy_the_threads_of_the_event_loop(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one", "two"))
    other = Bucket(bucket.endpoint, bucket.name, bucket.client, bucket.http, "mirror/other")
    with ThreadPoolExecutor(1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        await asyncio.gather(*(run_in_bucket(one, href, config) for one in (bucket, other)))
    for one in (bucket, other):
        assert HttpReader(one).check() == {"one", "two"}
