"""Downloads from a bucket to the same store, which copies the objects itself."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.testing import Lost, Origin, S3Proxy, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.support.items import item_document
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket

DATA = data_of(300_000)
CHECKSUM = "1220" + hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(store: Config, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a configuration with sources of the service and the key of the destination."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    store.s3_endpoint_url = proxy.url
    store.s3_max_attempts, store.http_max_attempts = 1, 1
    return store


async def copied(
    origin: Origin, bucket: Bucket, config: Config, data: bytes = DATA, **fields: Any
) -> bytes | None:
    """Download an object of the bucket to another prefix, and return the new content."""
    await put_source(bucket, data)
    document = item_document(origin, "a")
    href = f"s3://{bucket.name}/source/a b.tif"
    document["assets"]["a"] = {"href": href, **fields}
    await download_item(document, f"s3://{bucket.name}/{bucket.prefix}", config=config)
    return await bucket.content("a b.tif")


async def put_source(bucket: Bucket, data: bytes, **fields: Any) -> None:
    """Write the source with a checksum that the store keeps."""
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    await bucket.client.put_object(
        Bucket=bucket.name,
        Key="source/a b.tif",
        Body=data,
        ChecksumSHA256=digest,
        ChecksumAlgorithm="SHA256",
        **fields,
    )


def body_bytes(proxy: S3Proxy) -> tuple[int, int]:
    """Return the number of GET requests for the object, and the bytes of files that were sent."""
    sent = [one for one in proxy.received() if one.key.endswith(".tif")]
    return len(proxy.received("GetObject", "*a b.tif")), sum(one.size for one in sent)


@pytest.mark.parametrize("fields", [{}, {"file:size": len(DATA), "file:checksum": CHECKSUM}])
async def test_no_byte_passes_through_the_process(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, fields: dict[str, Any]
) -> None:
    store.destination_storage_class = "STANDARD_IA"
    assert await copied(origin, bucket, store, **fields) == DATA
    assert body_bytes(proxy) == (0, 0)
    [request] = proxy.received("CopyObject")
    assert request.headers["if-none-match"] == "*"
    assert request.headers["x-amz-copy-source-if-match"]
    assert request.headers["x-amz-storage-class"] == "STANDARD_IA"
    [described] = proxy.received("HeadObject", "*source/a b.tif")
    assert described.headers["x-amz-checksum-mode"] == "ENABLED"
    # botocore numbers its requests.
    assert "amz-sdk-request" not in described.headers.keys() | request.headers.keys()
    metadata = (await bucket.head("a b.tif"))["Metadata"]
    assert metadata.get("stac-asset-checksum") == CHECKSUM
    assert not await bucket.has_leftovers()

    proxy.clear()
    etag = (await bucket.head("a b.tif"))["ETag"]
    store.overwrite = True
    assert await copied(origin, bucket, store, DATA[:-1] + b"!") == DATA[:-1] + b"!"
    assert body_bytes(proxy)[0] == 0
    [part], [request] = proxy.received("UploadPartCopy"), proxy.received("CompleteMultipartUpload")
    assert part.headers["x-amz-copy-source-if-match"]
    assert request.headers["if-match"] == etag
    assert not await bucket.has_leftovers()


async def test_wrong_size_or_checksum_is_not_copied(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    other = "1220" + hashlib.sha256(b"other").hexdigest()
    for fields in ({"file:size": 7}, {"file:checksum": other}):
        with pytest.raises(DownloadError, match="but file:"):
            await copied(origin, bucket, store, **fields)
        assert await bucket.content("a b.tif") is None
    assert body_bytes(proxy) == (0, 0)
    assert not proxy.received("CopyObject")
    assert not await bucket.has_leftovers()


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("CopyObject", Status(403, body=error_body("AccessDenied"))),
        ("CopyObject", Status(501, body=error_body("NotImplemented"))),
        ("CopyObject", Status(404, body=error_body("NoSuchKey"))),
        ("CopyObject", Status(400, body=error_body("InvalidRequest"))),
        ("HeadObject", Status(403)),
    ],
)
async def test_refused_copy_is_streamed(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, operation: str, fault: Status
) -> None:
    proxy.fault(operation, fault, times=0, key="*a b.tif")
    assert await copied(origin, bucket, store) == DATA
    assert body_bytes(proxy) == (1, len(DATA))
    assert not await bucket.has_leftovers()


async def test_checksum_that_the_store_does_not_report_is_computed_from_the_bytes(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    sha1 = "1114" + hashlib.sha1(DATA).hexdigest()
    assert await copied(origin, bucket, store, **{"file:checksum": sha1}) == DATA
    assert body_bytes(proxy) == (1, len(DATA))


async def test_lost_response_of_a_copy_is_no_error(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    store.s3_max_attempts = 2
    proxy.fault("CopyObject", Lost())
    assert await copied(origin, bucket, store) == DATA
    assert body_bytes(proxy) == (0, 0)


async def test_botocore_repeats_a_failed_request_for_the_properties_of_the_object(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy
) -> None:
    proxy.fault("HeadObject", Status(503), key="*source/a b.tif")
    assert await copied(origin, bucket, store, **{"file:checksum": CHECKSUM}) == DATA
    assert body_bytes(proxy) == (0, 0)
    first, second = proxy.received("HeadObject", "*source/a b.tif")
    assert "amz-sdk-request" not in first.headers
    assert "amz-sdk-request" in second.headers


@pytest.mark.parametrize("difference", ["key", "endpoint", "unsigned", "type"])
async def test_other_stores_credentials_and_texts_are_streamed(
    service: str,
    origin: Origin,
    store: Config,
    bucket: Bucket,
    proxy: S3Proxy,
    monkeypatch: pytest.MonkeyPatch,
    difference: str,
) -> None:
    fields = {}
    if difference == "key":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    elif difference == "endpoint":
        store.s3_endpoint_url = service
    elif difference == "unsigned":
        store.s3_unsigned = True
        await bucket.client.put_bucket_acl(Bucket=bucket.name, ACL="public-read")
    else:
        fields["type"] = "image/tiff"
        store.http_check_content_type = False
    await put_source(bucket, DATA, ContentType="text/html" if difference == "type" else "")
    document = item_document(origin, "a")
    document["assets"]["a"] = {"href": f"s3://{bucket.name}/source/a b.tif", **fields}
    await download_item(document, f"s3://{bucket.name}/{bucket.prefix}", config=store)
    assert await bucket.content("a b.tif") == DATA
    assert not proxy.received("CopyObject")
    assert body_bytes(proxy)[1] == len(DATA)
