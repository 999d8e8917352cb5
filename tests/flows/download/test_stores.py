"""Flow runs with an object store as the destination, on a real Prefect server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prefect import flow
from prefect.exceptions import ParameterTypeError
from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket
from pydantic import SecretStr

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution import finished
from prefect_stac_asset.flows.execution.finished import has_file
from prefect_stac_asset.flows.parameters.credentials import open_destinations
from prefect_stac_asset.flows.reporting.lineage import MATERIALIZED
from stac_asset import DownloadError
from stac_asset.errors import DestinationError
from stac_asset.plan.owners import owner_name
from stac_asset.testing import Origin, S3Proxy, Status
from stac_asset.types import Candidate, Outcome, Transfer
from tests.support.collections import collection_document
from tests.support.flow_inputs import put_item_collection, with_options, with_threads
from tests.support.items import item_document, item_from_origin
from tests.support.prefect_reads import read_artifacts, read_back, read_events
from tests.support.s3_destinations import Bucket, moto_service

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, s3_max_attempts=1)
KEY, SECRET, TOKEN = "AKIADESTINATION", "destination-secret", "destination-token"
SOURCE_TOKEN = "pl4nted-source-token"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Serve S3 from memory, and return the endpoint."""
    with moto_service() as endpoint:
        yield endpoint


@pytest.fixture
def proxy(service: str) -> Iterator[S3Proxy]:
    """Record requests in front of the service."""
    with S3Proxy(service) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def bucket(service: str) -> AsyncIterator[Bucket]:
    """Return a new bucket, which the tests read without the proxy."""
    async with Bucket.create(service) as bucket:
        bucket.prefix = "data"
        yield bucket


def sent(proxy: S3Proxy) -> str:
    """Return the headers of all requests as a text."""
    assert proxy.received()
    return "\n".join(f"{one.key}: {one.headers}" for one in proxy.received())


async def test_item_is_written_to_the_bucket_and_secrets_stay_with_their_hosts(
    origin: Origin, bucket: Bucket, proxy: S3Proxy
) -> None:
    document = item_document(origin, "a", "b")
    href = origin.put("/item.json", json.dumps(document).encode())
    origin.require("Authorization", f"Bearer {SOURCE_TOKEN}")
    await HttpCredentials(hosts=[origin.url], token=SOURCE_TOKEN).save("source", overwrite=True)
    await S3Credentials(
        access_key_id=KEY,
        secret_access_key=SECRET,
        session_token=TOKEN,
        endpoint_url=proxy.url,
        buckets=[bucket.name],
    ).save("destination", overwrite=True)
    url = f"s3://{bucket.name}/data"
    options = OPTIONS.model_copy(
        update={"lineage": True, "destination_storage_class": "STANDARD_IA"}
    )
    state = await flows.download_item(
        href,
        url,
        options,
        credentials=await HttpCredentials.load("source"),
        destination_credentials=await S3Credentials.load("destination"),
        return_state=True,
    )
    run, _ = await read_back(state, 4)
    assert run.name == f"download item.json to {url}"
    assert run.parameters["destination_credentials"] == {
        "$ref": {"block_document_slug": "s3-credentials/destination"}
    }
    result = await state.aresult()
    assert result.directory == url
    assert result.document == f"{url}/the-item.json"
    assert result.report == f"{url}/the-item.report.ndjson"
    for key in "ab":
        assert await bucket.content(f"{key}.tif") == origin.content(f"/{key}.tif")
        assert (await bucket.head(f"{key}.tif"))["StorageClass"] == "STANDARD_IA"
    item = result.item()
    assert item.get_self_href() == result.document
    assert item.assets["a"].href == "./a.tif"
    assert item.assets["a"].get_absolute_href() == f"{url}/a.tif"
    assert {row["key"]: row["state"] for row in result.rows()} == {
        "a": "downloaded",
        "b": "downloaded",
    }
    events = await read_events(MATERIALIZED, state, 2)
    named = {event["resource"]["prefect.resource.id"] for event in events}
    assert result.document in named
    artifacts = await read_artifacts(state)
    assert result.report in artifacts["stac-asset-summary"]["data"].replace("\\", "")
    assert not await bucket.has_leftovers()

    for secret in (SECRET, TOKEN, SOURCE_TOKEN):
        assert secret not in f"{run}{result}{artifacts}"
    assert SOURCE_TOKEN not in sent(proxy)
    assert TOKEN in sent(proxy)
    received = "\n".join(str(one.headers) for one in origin.requests)
    assert SOURCE_TOKEN in received
    assert "destination" not in received.lower()

    again = await flows.download_item(
        href,
        url,
        options,
        credentials=await HttpCredentials.load("source"),
        destination_credentials=await S3Credentials.load("destination"),
    )
    assert (again.downloaded, again.skipped) == (0, 2)


async def test_submitted_batches_write_to_the_bucket_of_a_block(
    origin: Origin, service: str, bucket: Bucket, proxy: S3Proxy
) -> None:
    href = put_item_collection(origin, 3, "a", "b")
    await AwsCredentials(
        aws_access_key_id=KEY,
        aws_secret_access_key=SecretStr(SECRET),
        aws_session_token=TOKEN,
        aws_client_parameters={"endpoint_url": proxy.url},
    ).save("inner", overwrite=True)
    await S3Bucket(
        bucket_name=bucket.name,
        bucket_folder="data",
        credentials=await AwsCredentials.load("inner"),
    ).save("bucket", overwrite=True)
    block = await S3Bucket.load("bucket")
    download = with_threads(flows.download_item_collection, 2)
    result = await download(href, "scenes", OPTIONS, "batch", destination_credentials=block)
    url = f"s3://{bucket.name}/data/scenes"
    assert result.document == f"{url}/item-collection.json"
    assert result.downloaded == 6
    items = {item.id: item for item in result.items()}
    assert items["item-2"].assets["b"].href == f"{url}/item-2/b.tif"
    assert await bucket.content("scenes/item-2/b.tif") == origin.content("/2/b.tif")
    assert len(list(result.rows())) == 6
    assert not await bucket.has_leftovers()

    # A failed asset keeps the file of the earlier run.
    for number in range(3):
        origin.remove(f"/{number}/a.tif")
    options = OPTIONS.model_copy(update={"overwrite": True})
    with pytest.raises(DownloadError, match="3 of 6 assets failed"):
        await flows.download_item_collection(href, "scenes", options, destination_credentials=block)
    [kept, *_] = result.items()
    assert kept.assets["a"].href == f"{url}/{kept.id}/a.tif"


async def test_collection_is_written_with_the_keys_of_minio(
    origin: Origin, bucket: Bucket, proxy: S3Proxy
) -> None:
    document = collection_document(origin, "a")
    href = origin.put("/collection.json", json.dumps(document).encode())
    await MinIOCredentials(
        minio_root_user=KEY,
        minio_root_password=SecretStr(SECRET),
        aws_client_parameters={"endpoint_url": proxy.url},
    ).save("minio", overwrite=True)
    url = f"s3://{bucket.name}/data"
    state = await flows.download_collection(
        href,
        url,
        OPTIONS,
        destination_credentials=await MinIOCredentials.load("minio"),
        return_state=True,
    )
    run, _ = await read_back(state, 3)
    result = await state.aresult()
    assert result.document == f"{url}/collection.json"
    assert run.parameters["destination_credentials"] == blocks.ref("minio-credentials/minio")
    assert await bucket.content("a.png") == origin.content("/a.png")
    written = json.loads(await bucket.content("collection.json") or b"")
    assert written["assets"]["a"]["href"] == "./a.png"
    assert KEY in sent(proxy)
    assert SECRET not in f"{run}{result}{await read_artifacts(state)}"
    assert not await bucket.has_leftovers()


async def test_retry_with_overwrite_in_another_process_downloads_only_missing_objects(
    origin: Origin, service: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No outcomes are kept in memory. The times of S3 objects are in whole seconds.
    monkeypatch.setattr(finished, "_MAX_RUNS", 0)
    monkeypatch.setattr(finished, "_CLOCK_DIFFERENCE", -2)
    block = S3Credentials(access_key_id=KEY, secret_access_key=SECRET, endpoint_url=service)
    await block.save("retried", overwrite=True)
    href = put_item_collection(origin, 1, "a", "b")
    origin.fault("/0/b.tif", Status(503), times=1)
    options = with_options(overwrite=True, http_max_attempts=1, max_concurrent_downloads=1)
    download = flows.download_item_collection.with_options(retries=1)
    result = await download(
        href, f"s3://{bucket.name}/data", options, destination_credentials=block
    )
    assert [len(origin.gets(f"/0/{key}.tif")) for key in "ab"] == [1, 2]
    assert (result.downloaded, result.skipped) == (1, 1)


async def test_missing_credentials_of_the_bucket_are_reported_before_any_request(
    origin: Origin, proxy: S3Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    href = put_item_collection(origin, 1, "a")
    options = OPTIONS.model_copy(update={"destination_endpoint_url": proxy.url})
    state: Any = await flows.download_item_collection(
        href, "s3://bucket/x", options, return_state=True
    )
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert "s3://bucket/x" in str(error)
    assert "no credentials were found" in str(error)
    assert str(error).endswith("pass the block as `destination_credentials`.")
    block = S3Credentials(endpoint_url=proxy.url)
    state = await flows.download_item_collection(
        href, "s3://bucket/x", OPTIONS, destination_credentials=block, return_state=True
    )
    error = await state.aresult(raise_on_failure=False)
    assert str(error) == (
        "s3://bucket/x/ cannot be written: no credentials were found. Check the credentials, the "
        "endpoint and the region of a block of type 's3-credentials' without a name, which is "
        "given as `destination_credentials`."
    )
    assert origin.requests == []
    assert proxy.received() == []


async def test_tasks_of_other_flows_write_to_the_bucket(
    origin: Origin, bucket: Bucket, proxy: S3Proxy
) -> None:
    block = S3Credentials(access_key_id=KEY, secret_access_key=SECRET, endpoint_url=proxy.url)
    await block.save("of-tasks", overwrite=True)
    reference = blocks.ref("s3-credentials/of-tasks")
    url = f"s3://{bucket.name}/data"
    item = item_from_origin(origin, "a")
    candidate = Candidate(origin.href("/a.tif"), f"{url}/a.tif")
    transfer = Transfer(owner_name(item), "a", (candidate,), url)

    @flow
    async def own_flow() -> tuple[list[Outcome], object]:
        outcomes = await flows.download_assets(
            [transfer], OPTIONS, destination_credentials=reference
        )
        document = f"{url}/documents/item.json"
        return outcomes, await flows.rewrite_item(
            item, outcomes, document, OPTIONS, destination_credentials=reference
        )

    [outcome], document = await own_flow()
    assert str(document) == f"{url}/documents/item.json"
    written = json.loads(await bucket.content("documents/item.json") or b"")
    assert written["assets"]["a"]["href"] == "../a.tif"
    assert KEY in sent(proxy)

    # A retry with `overwrite` keeps the object as long as it exists.
    async with open_destinations(block, OPTIONS.config()) as destinations:
        assert await has_file(outcome, destinations)
        assert not await has_file(replace(outcome, size=1), destinations)
    await bucket.client.delete_object(Bucket=bucket.name, Key="data/a.tif")
    async with open_destinations(block, OPTIONS.config()) as destinations:
        assert not await has_file(outcome, destinations)


@pytest.mark.parametrize("value", [{"access_key_id": SECRET}, [SECRET], SECRET, {"$ref": SECRET}])
def test_fields_of_a_block_are_refused_and_not_stored(value: object) -> None:
    parameters = {"source": "a.json", "directory": "s3://b/x", "destination_credentials": value}
    with pytest.raises(ParameterTypeError, match=r"^`destination_credentials` must be") as caught:
        flows.download_item.validate_parameters(parameters)
    assert SECRET not in str(caught.value)
    assert SECRET not in str(flows.download_item.serialize_parameters(parameters))


def test_access_key_as_an_option_is_refused() -> None:
    options = {"destination_secret_access_key": SECRET}
    with pytest.raises(ParameterTypeError, match="pass the block as `destination_cred") as caught:
        flows.download_item.validate_parameters(
            {"source": "a.json", "directory": "s3://b/x", "options": options}
        )
    assert SECRET not in str(caught.value)
