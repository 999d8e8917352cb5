"""Flow runs with blocks of prefect-gcp and prefect-azure, on a real Prefect server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pystac
import pytest_asyncio
from prefect_azure import AzureBlobStorageContainer
from prefect_gcp.cloud_storage import GcsBucket

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset.testing import Origin
from tests.support.azurite import KEY
from tests.support.cloud_blocks import (
    private_key,
    save_azure,
    save_gcp,
)
from tests.support.gcs_service import GcsService, gcs_service
from tests.support.items import item_document
from tests.support.object_stores import PREFIX, AzureContainer
from tests.support.prefect_reads import read_artifacts, read_back

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, s3_max_attempts=1)


@pytest_asyncio.fixture(loop_scope="session")
async def gcs() -> AsyncIterator[GcsService]:
    """Serve Google Cloud Storage."""
    async with gcs_service() as service:
        yield service


async def test_assets_move_between_google_azure_and_back(
    origin: Origin, gcs: GcsService, container: AzureContainer
) -> None:
    """Both blocks are the credentials of the destination once, and those of a source once."""
    google = GcsBucket(
        bucket="bucket", bucket_folder=PREFIX, gcp_credentials=await save_gcp(gcs, "google")
    )
    await google.save("google", overwrite=True)
    azure = AzureBlobStorageContainer(
        container_name=container.name,
        base_folder=PREFIX,
        credentials=await save_azure(container, "azure"),
    )
    await azure.save("azure", overwrite=True)

    document = item_document(origin, "a")
    gcs.put("sources/b.tif", b"of google")
    document["assets"]["b"] = {"href": "gs://bucket/sources/b.tif"}
    href = origin.put("/item.json", json.dumps(document).encode())
    state = await flows.download_item(
        href,
        "scenes",
        OPTIONS,
        credentials=await GcsBucket.load("google"),
        destination_credentials=await AzureBlobStorageContainer.load("azure"),
        return_state=True,
    )
    run, _ = await read_back(state, 5)
    result = await state.aresult()
    url = f"az://{container.name}/{PREFIX}/scenes"
    assert (result.directory, result.document) == (url, f"{url}/the-item.json")
    assert run.parameters["destination_credentials"] == blocks.ref(
        "azure-blob-storage-container/azure"
    )
    assert await asyncio.to_thread(container.content, "scenes/a.tif") == origin.content("/a.tif")
    assert await asyncio.to_thread(container.content, "scenes/b.tif") == b"of google"
    item = result.item()
    assert isinstance(item, pystac.Item)
    assert item.assets["b"].get_absolute_href() == f"{url}/b.tif"
    assert {row["state"] for row in result.rows()} == {"downloaded"}
    received = [dict(one.headers) for one in origin.requests]
    artifacts = await read_artifacts(state)
    for secret in (KEY, private_key()[100:140]):
        assert secret not in f"{run}{result}{artifacts}{received}"

    del document["assets"]["a"]
    document["assets"]["b"]["href"] = f"{url}/b.tif"
    moved = await flows.download_item(
        json.dumps(document),
        ".",
        OPTIONS,
        credentials=[await AzureBlobStorageContainer.load("azure")],
        destination_credentials=await GcsBucket.load("google"),
    )
    assert moved.document == f"gs://bucket/{PREFIX}/the-item.json"
    assert gcs.objects[f"{PREFIX}/b.tif"].data == b"of google"
    written = json.loads(gcs.objects[f"{PREFIX}/the-item.json"].data)
    assert written["assets"]["b"]["href"] == "./b.tif"
    assert {str(token).partition(" ")[0] for token in gcs.tokens} == {"Bearer"}
