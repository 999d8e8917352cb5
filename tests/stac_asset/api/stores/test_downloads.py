"""Downloads of items, collections and item collections to a prefix of a bucket."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from asyncio import Queue
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    FileNameStrategy,
    SkipAssetDownload,
    StartAssetDownload,
    download_asset,
    download_collection,
    download_file,
    download_item,
    download_item_collection,
    plan_item,
    read_href,
)
from stac_asset.destinations.location import StorePath
from stac_asset.errors import DestinationError, UnsafePathError
from stac_asset.testing import Delay, Origin, S3Proxy, Status
from tests.support.collections import collection_document
from tests.support.processes import wait_until
from tests.support.remote_items import asset_hrefs, remote_item
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket


def url_of(bucket: Bucket) -> str:
    """Return the URL of the prefix."""
    return f"s3://{bucket.name}/{bucket.prefix}"


async def document_of(bucket: Bucket, key: str) -> Any:
    """Return the JSON document of a key."""
    data = await bucket.content(key)
    assert data is not None, key
    return json.loads(data)


async def test_credentials_of_the_environment_with_a_line_end_are_an_error(
    origin: Origin, store: Config, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hidden\ntoken")
    store.destination_access_key_id = store.destination_secret_access_key = None
    with pytest.raises(DestinationError, match=r"cannot be written: .* a line end") as raised:
        await download_item(remote_item(origin, "a"), url_of(bucket), config=store)
    assert "hidden" not in str(raised.value)


async def test_item_and_assets_are_written(origin: Origin, store: Config, bucket: Bucket) -> None:
    url = url_of(bucket)
    new = await download_item(remote_item(origin, "a", "b"), f"{url}/", config=store)
    for key in "ab":
        assert await bucket.content(f"{key}.tif") == origin.content(f"/{key}.tif")
    assert asset_hrefs(new) == {"a": "./a.tif", "b": "./b.tif"}
    assert new.get_self_href() == f"{url}/the-item.json"
    assert new.assets["a"].get_absolute_href() == f"{url}/a.tif"
    written = await document_of(bucket, "the-item.json")
    assert written == new.to_dict(transform_hrefs=False)
    assert not await bucket.has_leftovers()


async def test_second_run_skips_all_files(origin: Origin, store: Config, bucket: Bucket) -> None:
    item = remote_item(origin, "a", "b")
    await download_item(item, url_of(bucket), config=store)
    received = len(origin.requests)
    messages: Queue[Any] = Queue()
    await download_item(item, url_of(bucket), config=store, messages=messages)
    assert len(origin.requests) == received
    sent = [messages.get_nowait() for _ in range(messages.qsize())]
    assert {type(one) for one in sent} == {SkipAssetDownload}
    assert {one.path for one in sent} == {
        StorePath.parse(f"{url_of(bucket)}/{k}.tif") for k in "ab"
    }


async def test_existing_files_are_found_by_listings(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    """A rerun lists each folder once, and sends no request for a single asset."""
    keys = [f"a{number}" for number in range(30)]
    items = [remote_item(origin, *keys, name=name) for name in ("one", "two")]
    collection = pystac.ItemCollection(items)
    await download_item_collection(collection, url_of(bucket), config=store)
    proxy.clear()
    origin.forget()
    messages: Queue[Any] = Queue()
    await download_item_collection(collection, url_of(bucket), config=store, messages=messages)
    assert messages.qsize() == 60
    assert origin.requests == []
    assert len(proxy.received("ListObjectsV2")) == 3  # Two folders, and the check at the start.
    assert not proxy.received("HeadObject", "*.tif")
    assert not proxy.received("GetObject", "*.tif")


async def test_collection_is_written(origin: Origin, store: Config, bucket: Bucket) -> None:
    collection = pystac.Collection.from_dict(collection_document(origin, "a"))
    new = await download_collection(collection, url_of(bucket), config=store)
    assert new.get_self_href() == f"{url_of(bucket)}/collection.json"
    assert (await document_of(bucket, "collection.json"))["assets"]["a"]["href"] == "./a.png"
    assert await bucket.content("a.png") == origin.content("/a.png")


async def test_item_collection_is_written_to_whole_bucket(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    bucket.prefix = "x"
    items = pystac.ItemCollection([remote_item(origin, "a", name=name) for name in ("one", "2 ü")])
    new = await download_item_collection(items, f"s3://{bucket.name}", config=store)
    assert [asset_hrefs(item)["a"] for item in new] == [
        f"s3://{bucket.name}/one/a.tif",
        f"s3://{bucket.name}/2 ü/a.tif",
    ]
    assert sorted(await bucket.keys()) == ["2 ü/a.tif", "item-collection.json", "one/a.tif"]
    written = await bucket.client.get_object(Bucket=bucket.name, Key="item-collection.json")
    features = json.loads(await written["Body"].read())["features"]
    hrefs = [feature["assets"]["a"]["href"] for feature in features]
    assert hrefs == ["./one/a.tif", "./2%20ü/a.tif"]


async def test_hrefs_can_be_absolute(origin: Origin, store: Config, bucket: Bucket) -> None:
    store.absolute_hrefs = True
    items = pystac.ItemCollection([remote_item(origin, "a")])
    await download_item_collection(items, url_of(bucket), config=store)
    [feature] = (await document_of(bucket, "item-collection.json"))["features"]
    assert feature["assets"]["a"]["href"] == f"{url_of(bucket)}/the-item/a.tif"
    new = await download_item(remote_item(origin, "a"), url_of(bucket), config=store)
    assert asset_hrefs(new) == {"a": f"{url_of(bucket)}/a.tif"}


async def test_single_asset_and_file_are_written(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    asset, url = pystac.Asset(origin.href("/a.tif")), url_of(bucket)
    new = await download_asset("a", asset, f"{url}/new/name.tif", store)
    assert new.href == f"{url}/new/name.tif"
    await download_file(origin.href("/b.tif"), f"{url}/b.tif", store)
    assert await bucket.content("new/name.tif") == origin.content("/a.tif")
    assert await bucket.content("b.tif") == origin.content("/b.tif")
    for path in (f"s3://{bucket.name}", f"{url}/folder/"):
        with pytest.raises(DestinationError, match="names no object"):
            await download_asset("a", asset, path, store)


async def test_failed_asset_keeps_the_file_of_an_earlier_run(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    item = remote_item(origin, "a b", "b")
    await download_item(item, url_of(bucket), config=store)
    origin.fault("/a b.tif", Status(404))
    store.overwrite = True
    with pytest.raises(DownloadError):
        await download_item(item, url_of(bucket), config=store)
    written = await document_of(bucket, "the-item.json")
    assert written["assets"]["a b"]["href"] == "./a%20b.tif"
    store.include = ["b"]
    await download_item(item, url_of(bucket), config=store)
    written = await document_of(bucket, "the-item.json")
    assert set(written["assets"]) == {"a b", "b"}


async def test_plan_reads_the_bucket_and_writes_nothing(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    item, url = remote_item(origin, "a", "b"), url_of(bucket)
    store.include = ["a"]
    await download_item(item, url, config=store)
    proxy.clear()
    store.include = []
    plan = await plan_item(item, url, config=store)
    assert (plan.directory, plan.document) == (url, f"{url}/the-item.json")
    assert {row.key: row.action for row in plan.rows} == {"a": "skip", "b": "download"}
    assert (plan.free, plan.fits, plan.problems) == (None, True, ())
    assert "free" not in str(plan)
    operations = {one.operation for one in proxy.received()}
    assert not any(name.startswith(("Put", "Create", "Delete")) for name in operations), operations


async def test_names_outside_of_the_prefix_are_refused(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    item = remote_item(origin, "a")
    for name in ("../item.json", "/item.json", "..", "a/../..", "\ud800.json", "\0.json"):
        with pytest.raises(UnsafePathError, match="file_name"):
            await download_item(item, url_of(bucket), file_name=name, config=store)
    assert await bucket.keys() == []


async def test_document_does_not_replace_its_source(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    item = remote_item(origin, "a")
    item.set_self_href(f"{url_of(bucket)}/the-item.json")
    with pytest.raises(DestinationError, match="would replace this file"):
        await download_item(item, url_of(bucket), config=store)


async def test_messages_before_the_request_name_the_object(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    messages: Queue[Any] = Queue()
    await download_item(remote_item(origin, "a"), url_of(bucket), config=store, messages=messages)
    first = messages.get_nowait()
    assert isinstance(first, StartAssetDownload)
    assert str(first.path) == f"{url_of(bucket)}/a.tif"


async def test_written_item_opens_over_http(origin: Origin, store: Config, bucket: Bucket) -> None:
    store.destination_acl, store.destination_tags = "public-read", {"project": "flood = fire"}
    await download_item(remote_item(origin, "a b"), url_of(bucket), config=store)
    base = f"{bucket.endpoint}/{bucket.name}/{bucket.prefix}"
    read = await asyncio.to_thread(pystac.Item.from_file, f"{base}/the-item.json")
    read.set_self_href(f"{base}/the-item.json")
    href = read.assets["a b"].get_absolute_href()
    assert href == f"{base}/a%20b.tif"
    assert await read_href(href) == origin.content("/a b.tif")
    found = await bucket.client.get_object_tagging(
        Bucket=bucket.name, Key=f"{bucket.prefix}/a b.tif"
    )
    assert found["TagSet"] == [{"Key": "project", "Value": "flood = fire"}]


async def test_objects_are_encrypted_with_the_key_of_the_options(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    store.destination_encryption, store.destination_kms_key_id = "aws:kms", "key-of-the-mirror"
    store.destination_region = "eu-central-1"
    await download_item(remote_item(origin, "a"), url_of(bucket), config=store)
    found = await bucket.head("a.tif")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "key-of-the-mirror")
    scopes = {one.headers["authorization"].split("/")[2] for one in proxy.received()}
    assert scopes == {"eu-central-1"}


async def test_written_item_is_downloaded_from_the_bucket(
    origin: Origin,
    store: Config,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    url = f"s3://{bucket.name}/folder?with=1/special#characters"
    key = "100 % #1?"
    plain = origin.content("/plain.tif")
    item = remote_item(origin, key, "plain")
    item.assets[key].href = origin.put("/data", b"content")
    store.file_name_strategy = FileNameStrategy.KEY
    await download_item(item, url, config=store)
    store.s3_endpoint_url = bucket.endpoint
    store.destination_endpoint_url = None
    await download_item(f"{url}/the-item.json", tmp_path, config=store)
    assert {b"content", plain} <= {path.read_bytes() for path in tmp_path.iterdir()}


async def test_cancelled_run_leaves_no_request_and_no_object(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("PutObject", Delay(0.2), times=5)
    running = asyncio.create_task(
        download_item(remote_item(origin, "a"), url_of(bucket), config=store)
    )
    await wait_until(lambda: proxy.received("ListObjectsV2"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert {task for task in asyncio.all_tasks() if not task.done()} == {asyncio.current_task()}
    assert origin.requests == []
    assert not any("probe" in key for key in await bucket.keys())


async def test_concurrent_runs_merge_their_assets(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    keys, url = "abcd", url_of(bucket)
    item = remote_item(origin, *keys)
    configs = [dataclasses.replace(store, include=[key]) for key in keys]
    await asyncio.gather(*(download_item(item, url, config=config) for config in configs))
    assert sorted((await document_of(bucket, "the-item.json"))["assets"]) == list(keys)
