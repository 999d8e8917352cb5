"""Downloads to prefixes of Google Cloud Storage and Azure."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pystac
import pytest
from aiohttp import web

from stac_asset import (
    AzureClient,
    AzureIdentity,
    Config,
    GcsIdentity,
    StacAssetError,
    download_asset,
    download_item,
    plan_item,
)
from stac_asset.api.destinations import RunDestinations
from stac_asset.clients import Clients
from stac_asset.testing import Origin, Status, Truncate
from stac_asset.testing.client_under_test import data_of
from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import take_inventory
from stac_asset.verify.results import Verified
from tests.support.azurite import ACCOUNT, container_sas
from tests.support.gcs_service import TOKEN
from tests.support.object_stores import PART, PREFIX, AzureContainer, GcsBucket
from tests.support.remote_items import asset_hrefs, remote_item


@pytest.fixture(params=["gcs", "azure"])
def bucket(request: pytest.FixtureRequest) -> GcsBucket | AzureContainer:
    """Return an empty bucket of each service."""
    name = "gcs_bucket" if request.param == "gcs" else "container"
    found: GcsBucket | AzureContainer = request.getfixturevalue(name)
    return found


def config_of(bucket: GcsBucket | AzureContainer) -> Config:
    """Return the options of downloads to a bucket."""
    return Config(retry_wait=0, destination_identity=bucket.identity, s3_max_attempts=1)


async def content_of(bucket: GcsBucket | AzureContainer, key: str) -> Any:
    """Return the content of a key."""
    return await asyncio.to_thread(bucket.content, key)


async def test_item_and_assets_are_written(
    origin: Origin, bucket: GcsBucket | AzureContainer
) -> None:
    url, config, item = f"{bucket.url}/{PREFIX}", config_of(bucket), remote_item(origin, "a", "b")
    plan = await plan_item(item, url, config=config)
    assert plan.directory_problem is None
    assert await content_of(bucket, "a.tif") is None
    new = await download_item(item, f"{url}/", config=config)
    for key in "ab":
        assert await content_of(bucket, f"{key}.tif") == origin.content(f"/{key}.tif")
    assert asset_hrefs(new) == {"a": "./a.tif", "b": "./b.tif"}
    assert new.assets["a"].get_absolute_href() == f"{url}/a.tif"
    written = json.loads(await content_of(bucket, "the-item.json"))
    assert written == new.to_dict(transform_hrefs=False)
    received = len(origin.requests)
    again = await download_item(item, url, config=config)
    assert len(origin.requests) == received
    assert again.to_dict() == new.to_dict()


async def test_document_of_another_program_is_replaced_with_a_notice(
    origin: Origin, bucket: GcsBucket | AzureContainer, caplog: pytest.LogCaptureFixture
) -> None:
    url, config, item = f"{bucket.url}/{PREFIX}", config_of(bucket), remote_item(origin, "a")
    foreign = json.dumps(item.to_dict(transform_hrefs=False)).encode()
    await asyncio.to_thread(bucket.put, "the-item.json", foreign)
    await download_item(item, url, config=config)
    [text] = [text for text in caplog.messages if "no earlier download wrote" in text]
    assert f"'{url}/the-item.json'" in text
    caplog.clear()
    await download_item(item, url, config=config)
    assert "no earlier download wrote" not in caplog.text


async def test_url_with_an_account_is_written(origin: Origin, container: AzureContainer) -> None:
    url = f"abfs://{container.name}@devstoreaccount1.dfs.core.windows.net/{PREFIX}"
    config = config_of(container)
    config.absolute_hrefs = True
    new = await download_item(remote_item(origin, "a"), url, config=config)
    assert asset_hrefs(new) == {"a": f"{url}/a.tif"}
    assert await content_of(container, "a.tif") == origin.content("/a.tif")


async def test_interrupted_download_continues_within_the_run(
    origin: Origin, gcs_bucket: GcsBucket
) -> None:
    item = remote_item(origin, "a")
    data = origin.put("/a.tif", size=3 * PART + 17)
    origin.fault("/a.tif", Truncate(PART + 1000))
    await download_item(item, f"{gcs_bucket.url}/{PREFIX}", config=config_of(gcs_bucket))
    assert gcs_bucket.content("a.tif") == origin.content("/a.tif"), data
    assert not gcs_bucket.has_leftovers()
    [_, second] = origin.gets("/a.tif")
    assert second.headers["range"].startswith("bytes=")
    assert not second.headers["range"].startswith("bytes=0-")


async def test_credentials_of_sources_and_destination_do_not_mix(
    origin: Origin, gcs_bucket: GcsBucket
) -> None:
    config = config_of(gcs_bucket)
    config.http_headers = {"Authorization": "Bearer of-the-source"}
    item = remote_item(origin, "a")
    await download_item(item, f"{gcs_bucket.url}/{PREFIX}", config=config)
    assert set(gcs_bucket.service.tokens) == {f"Bearer {TOKEN}"}
    assert {one.headers.get("authorization") for one in origin.requests} == {"Bearer of-the-source"}


async def test_object_of_one_service_is_written_to_another(
    gcs_bucket: GcsBucket, container: AzureContainer
) -> None:
    data = data_of(2 * PART + 17)
    await asyncio.to_thread(container.azurite.put, container.name, "a b.tif", data)
    asset = pystac.Asset(f"{container.url}/a b.tif")
    config, url = config_of(gcs_bucket), f"{gcs_bucket.url}/{PREFIX}/b.tif"
    config.write_checksums = True
    async with Clients(config, [AzureClient(container.identity)]) as clients:
        new = await download_asset("a", asset, url, config, clients=clients)
    assert gcs_bucket.content("b.tif") == data
    assert new.extra_fields["file:size"] == len(data)
    assert set(gcs_bucket.service.tokens) == {f"Bearer {TOKEN}"}


async def test_written_files_are_verified(
    origin: Origin, bucket: GcsBucket | AzureContainer
) -> None:
    config, url = config_of(bucket), f"{bucket.url}/{PREFIX}"
    config.write_checksums = True
    await download_item(remote_item(origin, "a", "b"), url, config=config)
    for read in (False, True):
        async with RunDestinations(config, writable=False) as destinations:
            inventory = await take_inventory(url, destinations)
            verdicts = [one async for one in check_all(inventory, read=read)]
        assert {type(one) for one in verdicts} == {Verified}
        assert len(verdicts) == 2


async def refusal(origin: Origin, directory: str, config: Config) -> str:
    """Return the error of a download that sends no request to the source."""
    with pytest.raises(StacAssetError) as caught:
        await download_item(remote_item(origin, "a"), directory, config=config)
    assert origin.requests == []
    text = str(caught.value)
    assert text.startswith(f"{directory}")
    assert "\n" not in text
    return text


async def test_missing_bucket(origin: Origin, bucket: GcsBucket | AzureContainer) -> None:
    directory = re.sub("://.*", "://missing-bucket/x", bucket.url)
    text = await refusal(origin, directory, config_of(bucket))
    assert "the bucket or container does not exist. Create it, or correct the URL" in text


async def test_wrong_credentials(origin: Origin, bucket: GcsBucket | AzureContainer) -> None:
    config, endpoint = config_of(bucket), bucket.identity.endpoint_url
    if isinstance(bucket, GcsBucket):
        config.destination_identity = GcsIdentity(token="hidden", endpoint_url=endpoint)
    else:
        config.destination_identity = AzureIdentity(
            "devstoreaccount1", account_key="aGlkZGVu", endpoint_url=endpoint
        )
    text = await refusal(origin, f"{bucket.url}/x", config)
    assert "the service refuses the credentials. Correct `destination_identity`" in text
    assert "hidden" not in text
    assert "aGlkZGVu" not in text


async def test_no_permission_to_write(origin: Origin, gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.readers.add("reader")
    config = config_of(gcs_bucket)
    config.destination_identity = GcsIdentity(token="reader", endpoint_url=gcs_bucket.service.url)
    text = await refusal(origin, "gs://bucket/x", config)
    assert "allow these credentials to read, write, list and delete objects" in text
    assert "cannot be written" in text


@pytest.mark.parametrize("permissions", ["racwdl", "rl"])
async def test_sas_token_of_a_container(
    origin: Origin, container: AzureContainer, permissions: str
) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    token = container_sas(container.name, now - hour, now + hour, permissions)
    endpoint = container.identity.endpoint_url
    config = config_of(container)
    config.destination_identity = AzureIdentity(ACCOUNT, sas_token=token, endpoint_url=endpoint)
    url = f"{container.url}/{PREFIX}"
    if permissions == "rl":
        text = await refusal(origin, url, config)
        assert "allow these credentials to read, write, list and delete objects" in text
    else:
        await download_item(remote_item(origin, "a"), url, config=config)
        assert await content_of(container, "a.tif") == origin.content("/a.tif")


async def test_refused_storage_class(origin: Origin, container: AzureContainer) -> None:
    config = config_of(container)
    config.destination_storage_class = "Nonsense"
    text = await refusal(origin, f"{container.url}/x", config)
    assert "the service refuses the request (status 400). Check `destination_storage_class`" in text


@pytest.mark.parametrize("page", [None, b"<html><body>Welcome</body></html>"])
async def test_endpoint_that_is_no_object_store(
    origin: Origin, bucket: GcsBucket | AzureContainer, page: bytes | None
) -> None:
    config = config_of(bucket)
    with Origin() as other:
        if page is not None:
            other.fault("*", Status(200, body=page), times=0)
        config.destination_identity = replace(bucket.identity, endpoint_url=other.url)
        text = await refusal(origin, f"{bucket.url}/x", config)
    assert "`destination_endpoint_url`" in text


async def test_service_that_fails(origin: Origin, gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.before = lambda method, key: web.Response(status=500, text="hidden")
    text = await refusal(origin, "gs://bucket/x", config_of(gcs_bucket))
    assert "the service responded 500. Try again later" in text
    assert "hidden" not in text


async def test_service_that_does_not_respond(origin: Origin, gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.held = {"PUT"}
    config = config_of(gcs_bucket)
    config.http_read_timeout = 0.2
    text = await refusal(origin, "gs://bucket/x", config)
    assert "the service cannot be reached" in text


@pytest.mark.parametrize("kind", ["gcs", "azure"])
async def test_unreachable_service(origin: Origin, kind: str) -> None:
    config = Config(destination_endpoint_url="http://127.0.0.1:1", s3_max_attempts=1)
    if kind == "gcs":
        config.destination_identity = GcsIdentity(token="t")
    else:
        config.destination_identity = AzureIdentity("account", sas_token="sig=hidden")
    directory = "gs://bucket/x" if kind == "gcs" else "az://container/x"
    text = await refusal(origin, directory, config)
    assert "the service cannot be reached. Check `destination_endpoint_url`" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("directory", "options", "cure"),
    [
        ("gs://bucket/x", {"destination_acl": "public-read"}, "Remove the option"),
        ("az://container/x", {"destination_profile": "p"}, "`destination_profile` is for S3 only"),
        ("gs://bucket/x", {"destination_identity": AzureIdentity("abc")}, "Use `GcsIdentity`"),
        ("az://container/x", {"destination_identity": GcsIdentity()}, "Use `AzureIdentity`"),
        ("az://container/x", {}, "set the variable AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://container/x", {"destination_identity": AzureIdentity("abc")}, "belong to 'xyz'"),
        (
            "abfs://container@other.dfs.core.windows.net/x",
            {"destination_identity": AzureIdentity("account", sas_token="sig=hidden")},
            "the credentials belong to 'account'",
        ),
        (
            "gs://bucket/x",
            {
                "destination_identity": GcsIdentity(
                    '{"client_email": "a@b", "private_key": "hidden"}'
                )
            },
            "Correct the credentials",
        ),
    ],
)
async def test_options_that_do_not_fit(
    origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
    directory: str,
    options: dict[str, Any],
    cure: str,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    if "'xyz'" in cure:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "xyz")
    text = await refusal(origin, directory, Config(**options))
    assert cure in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("directory", "extra"), [("gs://bucket/x", "gcs"), ("az://container/x", "azure")]
)
async def test_missing_extra_is_named(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, directory: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    text = await refusal(origin, directory, Config())
    assert f"`pip install 'prefect-stac-asset[{extra}]'`" in text


async def test_document_of_a_prefix_is_readable_as_a_destination(
    origin: Origin, gcs_bucket: GcsBucket
) -> None:
    asset = remote_item(origin, "a").assets["a"]
    config = config_of(gcs_bucket)
    new = await download_asset("a", asset, f"gs://bucket/{PREFIX}/a.tif", config)
    assert new.href == f"gs://bucket/{PREFIX}/a.tif"
    assert gcs_bucket.content("a.tif") == origin.content("/a.tif")
