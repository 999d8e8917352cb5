"""Separation of the credentials of sources and destinations."""

from __future__ import annotations

import logging

import pytest

from stac_asset import Config, download_item
from stac_asset.testing import Origin, S3Proxy
from tests.support.items import item_document
from tests.support.remote_items import remote_item
from tests.support.s3_destinations import Bucket


def sent(proxy: S3Proxy) -> str:
    """Return the headers of all requests as a text."""
    assert proxy.received()
    return "\n".join(
        f"{name}: {value}" for one in proxy.received() for name, value in one.headers.items()
    )


async def test_http_credentials_are_not_sent_to_the_bucket(
    origin: Origin,
    store: Config,
    bucket: Bucket,
    proxy: S3Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    store.http_headers = {"X-Source-Key": "source-secret"}
    store.earthdata_token = "earthdata-secret"
    store.destination_session_token = "destination-token"
    await download_item(remote_item(origin, "a"), f"s3://{bucket.name}/x", config=store)
    assert "destination-token" not in caplog.text
    assert str(store.destination_access_key_id) not in caplog.text
    assert "destination-token" not in repr(store)
    assert "source-secret" not in sent(proxy)
    assert "earthdata-secret" not in sent(proxy)
    assert "x-amz-security-token: destination-token" in sent(proxy)
    headers = [f"{name}: {value}" for one in origin.requests for name, value in one.headers.items()]
    assert "x-source-key: source-secret" in headers
    assert "destination" not in str(headers)
    assert store.destination_access_key_id not in str(headers)


async def test_keys_of_two_s3_services_do_not_mix(
    service: str,
    origin: Origin,
    store: Config,
    bucket: Bucket,
    proxy: S3Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOURCE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "source-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "source-token")
    await bucket.put("source.bin", b"content")
    document = item_document(origin, "a")
    document["assets"]["a"]["href"] = f"s3://{bucket.name}/{bucket.prefix}/source.bin"
    store.destination_session_token = "destination-token"
    store.destination_access_key_id = "AKIADESTINATION"
    with S3Proxy(service) as source:
        store.s3_endpoint_url = source.url
        await download_item(document, f"s3://{bucket.name}/copy", config=store)
        read = sent(source)
    assert "AKIASOURCE" in read
    assert "source-token" in read
    assert "destination" not in read.lower()
    written = sent(proxy)
    assert "AKIADESTINATION" in written
    assert "destination-token" in written
    assert "source" not in written.lower()
