"""Destinations that cannot be written are refused before the first request to a source."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path

import pytest
import trustme

from stac_asset import Config, StacAssetError, download_asset, download_item, plan_item
from stac_asset.errors import ConfigError, DestinationError
from stac_asset.testing import Origin, S3Proxy, Status
from stac_asset.testing.s3_proxy import error_body
from tests.support.items import make_item
from tests.support.remote_items import remote_item
from tests.support.s3_destinations import Bucket


async def refusal(origin: Origin, directory: str, config: Config) -> str:
    """Return the error of a download that sends no request to the source."""
    config.s3_max_attempts = 1
    item = remote_item(origin, "a", "b")
    with pytest.raises(StacAssetError) as caught:
        await download_item(item, directory, config=config)
    assert origin.requests == []
    with pytest.raises(DestinationError):
        await download_item(make_item(origin, "a"), directory, config=config)
    assert origin.requests == []
    with pytest.raises(DestinationError):
        await download_asset("a", item.assets["a"], f"{directory}/a.tif", config)
    assert origin.requests == []
    text = str(caught.value)
    assert "\n" not in text
    return text


async def test_missing_bucket(origin: Origin, store: Config, bucket: Bucket) -> None:
    text = await refusal(origin, "s3://missing-bucket/prefix", store)
    assert text == (
        "s3://missing-bucket/prefix/ cannot be written: the bucket does not exist. Create the "
        "bucket, or correct the URL"
    )
    plan = await plan_item(remote_item(origin, "a"), "s3://missing-bucket/prefix", config=store)
    assert plan.directory_problem == text


@pytest.mark.parametrize("operation", ["PutObject", "ListObjectsV2", "DeleteObject"])
async def test_no_permission(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, operation: str
) -> None:
    proxy.fault(operation, Status(403, body=error_body("AccessDenied")), times=100)
    text = await refusal(origin, f"s3://{bucket.name}/x", store)
    assert re.match(rf"s3://{bucket.name}/x/.* cannot be written: the credentials have no", text)
    assert "Allow s3:PutObject" in text


@pytest.mark.parametrize(
    ("status", "code"), [(400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect")]
)
async def test_bucket_in_another_region(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, status: int, code: str
) -> None:
    proxy.fault("*", Status(status, body=error_body(code)), times=100)
    text = await refusal(origin, f"s3://{bucket.name}/x", store)
    assert text.endswith("the bucket is in another region. Set `destination_region`")


async def test_endpoint_that_is_no_object_store(
    origin: Origin, store: Config, bucket: Bucket
) -> None:
    with Origin() as other:
        store.destination_endpoint_url = other.url
        text = await refusal(origin, f"s3://{bucket.name}/x", store)
        assert f"s3://{bucket.name}/x/ cannot be written" in text
        assert "`destination_endpoint_url`" in text


async def test_endpoint_that_answers_every_request_with_a_page(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("*", Status(200, body=b"<html><body>Welcome</body></html>"), times=100)
    text = await refusal(origin, f"s3://{bucket.name}/x", store)
    assert f"s3://{bucket.name}/x/ cannot be written" in text
    assert "`destination_endpoint_url`" in text


async def test_tls_on_a_port_without_tls(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    store.destination_endpoint_url = proxy.url.replace("http://", "https://")
    text = await refusal(origin, f"s3://{bucket.name}/x", store)
    assert "the service cannot be reached" in text
    assert "`destination_endpoint_url`" in text


async def test_plain_http_on_a_port_with_tls(origin: Origin, store: Config) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Origin(ssl_context=context) as other:
        store.destination_endpoint_url = other.url.replace("https://", "http://")
        text = await refusal(origin, "s3://bucket/x", store)
    assert text.startswith("s3://bucket/x/ cannot be written")
    assert "`destination_endpoint_url`" in text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "PermanentRedirect"),
        (400, "IllegalLocationConstraintException"),
        (400, "AuthorizationHeaderMalformed"),
    ],
)
async def test_write_to_a_bucket_in_another_region(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, status: int, code: str
) -> None:
    """Listing is allowed, and only writing is refused."""
    proxy.fault("PutObject", Status(status, body=error_body(code)), times=100)
    text = await refusal(origin, f"s3://{bucket.name}/x", store)
    assert text.endswith("the bucket is in another region. Set `destination_region`")


async def test_unreachable_endpoint(origin: Origin, store: Config) -> None:
    store.destination_endpoint_url = "http://127.0.0.1:1"
    text = await refusal(origin, "s3://bucket/x", store)
    assert "the service cannot be reached" in text
    assert "`destination_endpoint_url`" in text


async def test_missing_credentials(
    origin: Origin, store: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    store.destination_access_key_id = store.destination_secret_access_key = None
    text = await refusal(origin, "s3://bucket/x", store)
    assert "no credentials were found" in text
    assert "`destination_access_key_id`" in text
    store.destination_profile = "missing"
    text = await refusal(origin, "s3://bucket/x", store)
    assert "`destination_profile`" in text


async def test_foreign_document(origin: Origin, store: Config, bucket: Bucket) -> None:
    await bucket.put("the-item.json", b"mine")
    url = f"s3://{bucket.name}/{bucket.prefix}"
    plan = await plan_item(remote_item(origin, "a"), url, config=store)
    origin.forget()
    with pytest.raises(DestinationError) as caught:
        await download_item(remote_item(origin, "a"), url, config=store)
    assert str(caught.value) == plan.directory_problem
    assert str(caught.value).startswith(f"'{url}/the-item.json' exists and is no STAC document")
    assert origin.requests == []
    assert await bucket.content("the-item.json") == b"mine"


async def test_stac_document_of_another_program_is_replaced_with_a_notice(
    origin: Origin, store: Config, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    item, url = remote_item(origin, "a"), f"s3://{bucket.name}/{bucket.prefix}"
    await bucket.put("the-item.json", json.dumps(item.to_dict(transform_hrefs=False)).encode())
    for is_foreign in (True, False):
        caplog.clear()
        await download_item(item, url, config=store)
        assert (f"'{url}/the-item.json'" in caplog.text) is is_foreign


@pytest.mark.parametrize(
    "directory",
    [
        *("ftp://bucket/x", "gs://b/x", "az://c--d/x", "az://c", "abfs://c@a/x", "s3://", "gs://"),
        "abfs://container@key:secret.example.com/x",
        *("s3://key:secret@bucket/x", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/\ud800"),
        *("s3://bucket/x\n", "s3:/bucket/x", "s3:bucket/x", "S3//bucket/x", " s3://bucket/x"),
        "arn:aws:s3:::bucket/x",
    ],
)
async def test_urls_that_are_no_prefix(origin: Origin, store: Config, directory: str) -> None:
    text = await refusal(origin, directory, store)
    assert text.startswith("`directory` '")
    assert "secret" not in text


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({"destination_access_key_id": "AKIA"}, "Set both"),
        ({"destination_secret_access_key": "hidden"}, "Set both"),
        ({"destination_session_token": "hidden"}, "Set `destination_access_key_id`"),
        ({"destination_kms_key_id": "k"}, "Set `destination_encryption='aws:kms'` too"),
        ({"destination_endpoint_url": "ftp://host"}, "Write for example"),
        ({"destination_endpoint_url": "https://u:hidden@host"}, "Write for example"),
    ],
)
def test_contradictory_options(fields: dict[str, str], cure: str) -> None:
    with pytest.raises(ConfigError, match=cure) as caught:
        Config(**fields).validate()
    assert "hidden" not in str(caught.value)
