"""Documents in object stores that cannot be read: the error names the URL and the reason."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from stac_asset import AzureClient, AzureIdentity, Config, GcsClient, GcsIdentity, download_item
from stac_asset.clients import Client
from stac_asset.clients.s3 import S3Client, S3Identity
from stac_asset.errors import StacAssetError
from stac_asset.testing import Origin, Status
from stac_asset.testing.s3_proxy import error_body
from tests.support.azurite import ACCOUNT
from tests.support.gcs_service import TOKEN
from tests.support.object_stores import AzureContainer, GcsBucket
from tests.support.s3_buckets import KEY, SECRET

PAGE = b"<html><body>Welcome</body></html>"


def s3_at(endpoint: str) -> S3Client:
    """Return a client of an S3 service."""
    identity = S3Identity(access_key_id=KEY, secret_access_key=SECRET)
    return S3Client(endpoint_url=endpoint, identity=identity, max_attempts=1)


async def refusal(href: str, client: Client | None, directory: Path) -> str:
    """Return the error of a download whose item cannot be read."""
    config = Config(retry_wait=0, http_max_attempts=1, s3_max_attempts=1)
    async with client or nullcontext():
        clients = [client] if client is not None else None
        with pytest.raises(StacAssetError) as caught:
            await download_item(href, directory / "data", config=config, clients=clients)
    text = str(caught.value)
    assert href in text
    assert "\n" not in text
    assert not (directory / "data").exists()
    for secret in (SECRET, TOKEN, "aGlkZGVu"):
        assert secret not in text
    return text


async def test_missing_bucket(
    service: str, gcs_bucket: GcsBucket, container: AzureContainer, tmp_path: Path
) -> None:
    for href, client, reason in (
        ("s3://missing-bucket/item.json", s3_at(service), "does not exist (NoSuchBucket)"),
        ("gs://missing-bucket/item.json", GcsClient(gcs_bucket.identity), "does not exist"),
        ("az://missing-bucket/item.json", AzureClient(container.identity), "does not exist"),
    ):
        assert reason in await refusal(href, client, tmp_path)


async def test_no_permission(
    origin: Origin, gcs_bucket: GcsBucket, container: AzureContainer, tmp_path: Path
) -> None:
    origin.fault("*", Status(403, body=error_body("AccessDenied")), times=0)
    google = GcsIdentity(token="reader-of-nothing", endpoint_url=gcs_bucket.service.url)
    azure = AzureIdentity(
        ACCOUNT, account_key="aGlkZGVu", endpoint_url=container.identity.endpoint_url
    )
    container.put("item.json", b"{}")
    for href, client in (
        ("s3://bucket/item.json", s3_at(origin.url)),
        ("gs://bucket/item.json", GcsClient(google)),
        (f"{container.url}/mirror/data/item.json", AzureClient(azure)),
    ):
        text = await refusal(href, client, tmp_path)
        assert "Access denied" in text or "403 Forbidden" in text, text


async def test_endpoint_that_is_no_object_store(
    origin: Origin, container: AzureContainer, tmp_path: Path
) -> None:
    origin.fault("*", Status(200, body=PAGE), times=0)
    account = AzureIdentity(ACCOUNT, account_key="aGlkZGVu", endpoint_url=origin.url)
    for href, client in (
        ("s3://bucket/item.json", s3_at(origin.url)),
        ("gs://bucket/item.json", GcsClient(GcsIdentity(token=TOKEN, endpoint_url=origin.url))),
        ("az://container/item.json", AzureClient(account)),
    ):
        await refusal(href, client, tmp_path)


async def test_bucket_in_an_unknown_region(origin: Origin, tmp_path: Path) -> None:
    origin.fault("*", Status(301, body=error_body("PermanentRedirect")), times=0)
    text = await refusal("s3://bucket/item.json", s3_at(origin.url), tmp_path)
    assert "is in another region" in text


@pytest.mark.parametrize(
    ("href", "extra"), [("gs://bucket/item.json", "gcs"), ("az://container/item.json", "azure")]
)
async def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, href: str, extra: str, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert f"prefect-stac-asset[{extra}]" in await refusal(href, None, tmp_path)
