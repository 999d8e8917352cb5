"""Verification and repair of downloads in a bucket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stac_asset import Config, download_item
from stac_asset.api.destinations import RunDestinations
from stac_asset.destinations.part_names import part_names
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError, SourceError
from stac_asset.testing import SLOW_DOWN, Origin, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.results import (
    Corrupt,
    Missing,
    NotLocal,
    OutOfBounds,
    Unverifiable,
    Verdict,
    Verified,
)
from tests.support.cli import CommandResult, run_command
from tests.support.items import make_item
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import PART, Bucket


def url_of(bucket: Bucket) -> str:
    """Return the URL of the prefix."""
    return f"s3://{bucket.name}/{bucket.prefix}"


@asynccontextmanager
async def inventory_of(bucket: Bucket, config: Config) -> AsyncIterator[Inventory]:
    """Open the inventory of the prefix."""
    async with RunDestinations(config) as destinations:
        yield await take_inventory(url_of(bucket), destinations)


async def verdicts_of(bucket: Bucket, config: Config, read: bool = False) -> dict[str, Verdict]:
    """Check all files of the prefix, and return the verdicts by asset key."""
    async with inventory_of(bucket, config) as inventory:
        return {one.asset.key: one async for one in check_all(inventory, read=read)}


async def test_recorded_checksums_are_compared_without_reading_files(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    origin.put("/a.tif", size=2_000_000)
    store.write_checksums = True
    await download_item(make_item(origin, "a"), url_of(bucket), config=store)
    proxy.clear()
    verdicts = await verdicts_of(bucket, store)
    assert isinstance(verdicts["a"], Verified)
    assert verdicts["a"].path == f"{url_of(bucket)}/a.tif"
    assert not proxy.received("GetObject", "*a.tif")
    assert isinstance((await verdicts_of(bucket, store, read=True))["a"], Verified)
    assert len(proxy.received("GetObject", "*a.tif")) == 1


async def test_bad_objects_have_reasons(origin: Origin, store: Config, bucket: Bucket) -> None:
    keys = "a", "b", "c", "d", "e"
    store.write_checksums = True
    await download_item(make_item(origin, *keys), url_of(bucket), config=store)
    await bucket.put("b.tif", b"short")
    await bucket.put("c.tif", bytes(len(origin.content("/c.tif"))))
    document = json.loads(await bucket.content("the-item.json") or b"")
    for field in ("file:checksum", "file:size"):
        del document["assets"]["d"][field], document["assets"]["e"][field]
    await bucket.put("the-item.json", json.dumps(document).encode())
    await bucket.put("d.tif", b"<!DOCTYPE html><html><body>Sign in</body></html>")
    await bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/a.tif")
    verdicts = await verdicts_of(bucket, store)
    assert isinstance(verdicts["a"], Missing)
    assert isinstance(verdicts["e"], Unverifiable)
    for key, reason in {"b": "has 5 bytes", "c": "has the checksum", "d": "HTML page"}.items():
        verdict = verdicts[key]
        assert isinstance(verdict, Corrupt)
        assert reason in verdict.reason


@pytest.fixture
def _options(proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the destination options of the command line."""
    monkeypatch.setenv("STAC_ASSET_DESTINATION_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("STAC_ASSET_DESTINATION_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("STAC_ASSET_DESTINATION_SECRET_ACCESS_KEY", SECRET)


async def run(*arguments: object) -> CommandResult:
    """Run a command beside the event loop of the test."""
    return await asyncio.to_thread(run_command, *arguments)


@pytest.mark.usefixtures("_options")
async def test_command_repairs_bad_objects(origin: Origin, bucket: Bucket, proxy: S3Proxy) -> None:
    url, source = url_of(bucket), make_item(origin, "a", "b", "c")
    assert (await run("download", source, url, "--write-checksums")).code == 0
    document = await bucket.content("the-item.json")
    proxy.clear()
    assert await run("verify", url) == CommandResult(0, "3 of 3 files are good\n", "")
    assert {one.operation for one in proxy.received()} == {
        "ListObjectsV2",
        "HeadObject",
        "GetObject",
    }
    assert not await bucket.uploads()
    await bucket.put("a.tif", b"ruin")
    await bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/b.tif")
    origin.forget()
    found = await run("verify", url)
    assert (found.code, found.output) == (1, "1 of 3 files are good\n")
    assert origin.requests == []
    repaired = await run("verify", url, "--repair", "--read-objects")
    assert repaired == CommandResult(0, "3 of 3 files are good, 2 repaired\n", "")
    assert sorted(one.path for one in origin.gets()) == ["/a.tif", "/b.tif", "/item.json"]
    for key in "abc":
        assert await bucket.content(f"{key}.tif") == origin.content(f"/{key}.tif")
    assert await bucket.content("the-item.json") == document
    assert not await bucket.has_leftovers()


@pytest.mark.usefixtures("_options")
async def test_command_reports_prefixes_that_cannot_be_verified(
    origin: Origin, bucket: Bucket, proxy: S3Proxy
) -> None:
    missing = await run("verify", "s3://missing-bucket/x", "--s3-max-attempts", 1)
    assert missing.code == 1
    assert missing.errors == (
        "error: s3://missing-bucket/x/ cannot be read: the bucket does not exist. Create the "
        "bucket, or correct the URL\n"
    )
    empty = await run("verify", url_of(bucket))
    assert (empty.code, empty.errors.startswith("error: ")) == (1, True)
    assert f"{url_of(bucket)} contains no STAC document" in empty.errors
    assert (await run("verify", "gs://bucket/x")).code == 1


async def test_failing_service_is_an_error_and_no_missing_file(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    store.write_checksums, store.s3_max_attempts = True, 1
    await download_item(make_item(origin, "a"), url_of(bucket), config=store)
    proxy.fault("HeadObject", SLOW_DOWN, times=0)
    with pytest.raises(DestinationError, match=r"a\.tif cannot be .*Try again later"):
        await verdicts_of(bucket, store)


async def test_hrefs_that_lead_outside_are_not_read(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    hrefs: dict[str, Any] = {
        "climbs": "../../secret.tif",
        "dots": f"{url_of(bucket)}/../../secret.tif",
        "local": "file:///etc/hosts",
        "path": "/secret.tif",
        "document": "./item.json",
        "number": 7,
        "prefix": "",
    }
    elsewhere = {
        "other": "s3://other-bucket/a.tif",
        "source": f"s3://{bucket.name}/secret.tif",
        "neighbour": f"{url_of(bucket)}-2/a.tif",
        "http": origin.href("/a.tif"),
    }
    await bucket.client.put_object(Bucket=bucket.name, Key="secret.tif", Body=b"secret")
    assets = {key: {"href": href} for key, href in (hrefs | elsewhere).items()}
    document = {"type": "Feature", "stac_version": "1.1.0", "id": "i", "links": []}
    text = json.dumps(document | {"assets": assets, "geometry": None, "properties": {}})
    await bucket.put("item.json", text.encode())
    await bucket.put("folder/", b"")
    verdicts = await verdicts_of(bucket, store)
    for key in hrefs.keys() - {"prefix"}:
        assert isinstance(verdicts[key], OutOfBounds), key
    for key in elsewhere:
        assert isinstance(verdicts[key], NotLocal), key
    assert not proxy.received("*", "secret.tif")
    assert not proxy.received("HeadObject")


async def test_inventory_names_documents_leftovers_and_unreadable_files(
    store: Config, bucket: Bucket
) -> None:
    with pytest.raises(SourceError, match="contains no STAC document"):
        async with inventory_of(bucket, store):
            pass
    note = part_names("a.tif")[1]
    feature = {"type": "Feature", "stac_version": "1.1.0", "id": "i", "geometry": None}
    feature |= {"properties": {"text": "x" * 40_000}, "links": []}
    features = [{**feature, "assets": {"a": {"href": f"./{n}.tif"}}} for n in range(40)]
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    await bucket.put("items/large.json", data)
    await bucket.put("other.json", b"[1]")
    await bucket.put("cut.json", b'{"type": "Feature", "stac_ver')
    await bucket.put(f"items/{note}", b"{}")
    async with inventory_of(bucket, store) as inventory:
        assert [str(one) for one in inventory.documents] == [f"{url_of(bucket)}/items/large.json"]
        assert [one.path for one in inventory.unreadable] == [f"{url_of(bucket)}/cut.json"]
        assert url_of(bucket) in inventory.unreadable[0].path
        assert inventory.leftovers == (f"{url_of(bucket)}/items/{note}",)
        verdicts = [one async for one in check_all(inventory)]
        assert [type(one) for one in verdicts] == [Missing] * 40


@pytest.mark.usefixtures("_options")
async def test_command_clean_aborts_unfinished_uploads(bucket: Bucket, proxy: S3Proxy) -> None:
    data = data_of(PART + 1)
    async with bucket.destination().open_upload("a.tif", "source", Declared()) as upload:
        await upload.begin(0, '"1"', 2 * PART)
        await upload.write(data)
    assert len(await bucket.uploads()) == 1
    url = url_of(bucket)
    kept = await run("clean", url)
    assert kept.output == "leftovers: 0 removed, 1 younger than the given age, 0 in use\n"
    assert not proxy.received("PutObject")
    done = await run("clean", url, "--older-than", "0s")
    assert done.output.startswith(f"removed: {url}/a.tif (unfinished upload, 5.2 MB, 0.0 h old)")
    assert not await bucket.has_leftovers()
    denied = Status(403, body=error_body("AccessDenied"))
    proxy.fault("ListMultipartUploads", denied)
    refused = await run("clean", url)
    assert (refused.code, "s3:ListBucketMultipartUploads" in refused.errors) == (1, True)
