"""Each function that writes to an object store refuses a bad destination before any request."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from stac_asset import (
    AzureIdentity,
    Config,
    GcsIdentity,
    StacAssetError,
    download_asset,
    download_collection,
    download_file,
    download_item,
    download_item_collection,
)
from stac_asset.audit import audit_mirror
from stac_asset.sync import sync_mirror
from stac_asset.testing import Origin, S3Proxy, Status
from stac_asset.testing.s3_proxy import error_body
from tests.support.collections import collection_document
from tests.support.items import item_document, make_item
from tests.support.object_stores import AzureContainer, GcsBucket
from tests.support.remote_items import remote_item
from tests.support.s3_destinations import Bucket

Call = Callable[[Origin, str, Config], Awaitable[object]]


def _collection(origin: Origin) -> str:
    return origin.put("/collection.json", json.dumps(collection_document(origin, "a")).encode())


def _items(origin: Origin) -> str:
    document = {"type": "FeatureCollection", "features": [item_document(origin, "a")]}
    return origin.put("/items.json", json.dumps(document).encode())


CALLS: dict[str, Call] = {
    "item": lambda origin, url, config: download_item(make_item(origin, "a"), url, config=config),
    "collection": lambda origin, url, config: download_collection(
        _collection(origin), url, config=config
    ),
    "item collection": lambda origin, url, config: download_item_collection(
        _items(origin), url, config=config
    ),
    "asset": lambda origin, url, config: download_asset(
        "a", remote_item(origin, "a").assets["a"], f"{url}/a.tif", config
    ),
    "file": lambda origin, url, config: download_file(
        origin.href("/a.tif"), f"{url}/a.tif", config
    ),
    "mirror": lambda origin, url, config: sync_mirror(_items(origin), url, config=config),
    "repair of a mirror": lambda origin, url, config: audit_mirror(
        _items(origin), url, config=config, repair=True
    ),
}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Call:
    return CALLS[request.param]


async def refusal(call: Call, origin: Origin, url: str, config: Config) -> str:
    """Return the error of a call that sends no request to the source."""
    config.retry_wait, config.s3_max_attempts = 0, 1
    with pytest.raises(StacAssetError) as caught:
        await call(origin, url, config)
    assert origin.requests == []
    text = str(caught.value)
    assert text.startswith(url)
    assert "\n" not in text
    return text


async def test_s3(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, call: Call
) -> None:
    text = await refusal(call, origin, "s3://missing-bucket/x", store)
    assert "the bucket does not exist. Create the bucket, or correct the URL" in text
    url = f"s3://{bucket.name}/x"
    for code, cure in (
        ("AccessDenied", "Allow s3:PutObject"),
        ("PermanentRedirect", "the bucket is in another region. Set `destination_region`"),
    ):
        proxy.fault("PutObject", Status(403, body=error_body(code)), times=0)
        assert cure in await refusal(call, origin, url, store)
        proxy.clear()
    with Origin() as other:
        store.destination_endpoint_url = other.url
        assert "`destination_endpoint_url`" in await refusal(call, origin, url, store)


async def test_google_cloud_storage(origin: Origin, gcs_bucket: GcsBucket, call: Call) -> None:
    config = Config(destination_identity=gcs_bucket.identity)
    text = await refusal(call, origin, "gs://missing-bucket/x", config)
    assert "does not exist. Create it, or correct the URL" in text
    gcs_bucket.service.readers.add("reader")
    endpoint = gcs_bucket.service.url
    config.destination_identity = GcsIdentity(token="reader", endpoint_url=endpoint)
    assert "allow these credentials to" in await refusal(call, origin, "gs://bucket/x", config)
    with Origin() as other:
        config.destination_identity = GcsIdentity(token="reader", endpoint_url=other.url)
        text = await refusal(call, origin, "gs://bucket/x", config)
    assert "`destination_endpoint_url`" in text


async def test_azure(origin: Origin, container: AzureContainer, call: Call) -> None:
    config = Config(destination_identity=container.identity)
    text = await refusal(call, origin, "az://missing-bucket/x", config)
    assert "does not exist. Create it, or correct the URL" in text
    config.destination_identity = AzureIdentity(
        container.identity.account,
        account_key="aGlkZGVu",
        endpoint_url=container.identity.endpoint_url,
    )
    text = await refusal(call, origin, f"{container.url}/x", config)
    assert "the service refuses the credentials" in text
