"""Blocks of prefect-aws, prefect-gcp and prefect-azure as sources and destinations."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pystac
import pytest
import pytest_asyncio
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, S3Bucket
from prefect_azure import AzureBlobStorageContainer, AzureBlobStorageCredentials
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket as GcsBucketBlock
from pydantic import SecretStr

from prefect_stac_asset.blocks.destinations import destination_access
from prefect_stac_asset.blocks.prefect_azure import azure_identity
from prefect_stac_asset.blocks.prefect_gcp import gcs_identity
from prefect_stac_asset.blocks.registry import INTEGRATION_BLOCKS, client_of
from stac_asset import AzureIdentity, Config, ConfigError, download_item
from stac_asset.errors import CredentialError
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin
from tests.support.azurite import ACCOUNT, KEY
from tests.support.block_parameters import INTEGRATION_TYPES
from tests.support.cloud_blocks import (
    connection_string,
    gcp_credentials,
    private_key,
    service_account,
)
from tests.support.gcs_service import GcsService, gcs_service
from tests.support.remote_items import remote_item

URL = "https://tiles.blob.core.windows.net"
PRINCIPAL = {"tenant_id": "t", "client_id": "c", "client_secret": SecretStr("hidden-secret")}


@pytest_asyncio.fixture
async def gcs() -> AsyncIterator[GcsService]:
    """Serve Google Cloud Storage."""
    async with gcs_service() as service:
        yield service


def test_names_of_block_types_are_current() -> None:
    assert [(kind.name, kind.slug) for kind in INTEGRATION_BLOCKS] == [
        (kind.__name__, kind.get_block_type_slug()) for kind in INTEGRATION_TYPES
    ]
    block = AzureBlobStorageCredentials(account_url=URL)
    found = [kind.name for kind in INTEGRATION_BLOCKS if kind.is_instance(block)]
    assert found == ["AzureBlobStorageCredentials"]


def test_key_of_a_service_account_is_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(service_account()))
    for credentials in (
        GcpCredentials(service_account_info=service_account()),
        GcpCredentials(service_account_file=path),
    ):
        for block in (credentials, GcsBucketBlock(bucket="tiles", gcp_credentials=credentials)):
            identity = gcs_identity(block)
            assert json.loads(identity.service_account_key or "") == service_account()
            assert identity.endpoint_url is None
            access = destination_access(block, Config())
            assert access.config.destination_identity == identity
            assert access.identity is None
            assert private_key()[100:120] not in repr(access) + repr(identity)
    path.write_text("[]")
    with pytest.raises(ConfigError, match=r"key\.json' of .* the file is not a JSON object"):
        gcs_identity(credentials)
    path.unlink()
    with pytest.raises(ConfigError, match=r"No such file or directory\. Correct the path"):
        gcs_identity(credentials)


@pytest.mark.parametrize(
    ("fields", "identity"),
    [
        (
            {"connection_string": SecretStr(connection_string("http://127.0.0.1:9"))},
            AzureIdentity(ACCOUNT, KEY, endpoint_url=f"http://127.0.0.1:9/{ACCOUNT}"),
        ),
        ({"account_url": f"{URL}/"}, AzureIdentity("tiles", endpoint_url=URL)),
        (
            {"account_url": "http://127.0.0.1:9/devstoreaccount1"},
            AzureIdentity(ACCOUNT, endpoint_url="http://127.0.0.1:9/devstoreaccount1"),
        ),
        (
            {"account_url": URL, **PRINCIPAL},
            AzureIdentity(
                "tiles",
                tenant_id="t",
                client_id="c",
                client_secret="hidden-secret",
                endpoint_url=URL,
            ),
        ),
    ],
)
def test_azure_block_is_the_identity(fields: dict[str, Any], identity: AzureIdentity) -> None:
    credentials = AzureBlobStorageCredentials(**fields)
    container = AzureBlobStorageContainer(container_name="scenes", credentials=credentials)
    for block in (credentials, container):
        assert azure_identity(block) == identity
        access = destination_access(block, Config())
        assert access.config.destination_identity == identity
        assert "hidden-secret" not in repr(access)
        assert KEY not in repr(access)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"connection_string": SecretStr("AccountKey=hidden")}, "has no account"),
        ({"account_url": f"{URL}?sig=hidden"}, "`account_url` contains a secret"),
        ({"account_url": "https://user:hidden@tiles.blob.core.windows.net"}, "contains a secret"),
        ({"account_url": "https://files.example.com"}, "`account_url` names no storage account"),
        ({"account_url": "tiles"}, "`account_url` names no storage account"),
        ({"account_url": "http://["}, "`account_url` names no storage account"),
        ({"account_url": "ftp://tiles.blob.core.windows.net"}, "names no storage account"),
        ({"account_url": "https://a-b.blob.core.windows.net"}, "`account` is not the name"),
    ],
)
def test_invalid_azure_block_is_refused_without_its_values(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        azure_identity(AzureBlobStorageCredentials(**fields))
    assert str(caught.value).startswith("The credentials of a block of type 'azure-blob-storage-c")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["destination_endpoint_url", "destination_profile"])
def test_options_cannot_send_a_secret_to_another_host(name: str) -> None:
    for block in (
        AzureBlobStorageCredentials(connection_string=SecretStr(connection_string("http://a"))),
        GcpCredentials(service_account_info=service_account()),
    ):
        with pytest.raises(ConfigError, match=f"^`{name}` is set, and a block of .* Remove the op"):
            destination_access(block, Config(**{name: "http://127.0.0.1:1"}))


GCP = GcpCredentials(service_account_info=service_account())
AZURE = AzureBlobStorageCredentials(account_url=URL)
AWS = AwsCredentials(aws_access_key_id="a", aws_secret_access_key=SecretStr("b"))
CLAIMS: list[tuple[Block, list[str], list[str]]] = [
    (GCP, ["gs://tiles/a", "gs://other/a"], ["az://tiles/a", "s3://tiles/a", "https://tiles/a"]),
    (GcsBucketBlock(bucket="tiles", gcp_credentials=GCP), ["gs://tiles/a"], ["gs://other/a"]),
    (
        AZURE,
        [
            "az://any/a",
            "abfs://any/a",
            "abfs://any@tiles.dfs.core.windows.net/a",
            "abfss://any@tiles.dfs.core.windows.net/a",
        ],
        ["abfs://any@other.dfs.core.windows.net/a", "gs://any/a", f"{URL}/any/a"],
    ),
    (
        AzureBlobStorageContainer(container_name="scenes", credentials=AZURE),
        ["az://scenes/a", "abfs://scenes@tiles.dfs.core.windows.net/a"],
        ["az://other/a", "abfs://scenes@other.dfs.core.windows.net/a"],
    ),
    (AWS, ["s3://tiles/a", "s3://other/a"], ["gs://tiles/a"]),
    (S3Bucket(bucket_name="tiles", credentials=AWS), ["s3://tiles/a"], ["s3://other/a"]),
]


@pytest.mark.parametrize(("block", "claimed", "unclaimed"), CLAIMS)
async def test_client_claims_objects_of_its_block(
    block: Block, claimed: list[str], unclaimed: list[str]
) -> None:
    async with await client_of(block, Config()) as client:
        assert [href for href in claimed if not client.claims(parse_href(href))] == []
        assert [href for href in unclaimed if client.claims(parse_href(href))] == []


async def test_secrets_are_sent_to_the_service_of_their_block_only(
    origin: Origin, gcs: GcsService, tmp_path: Path
) -> None:
    gcs.put("gs.tif", b"of google")
    with Origin() as azure:
        azure.put(f"/{ACCOUNT}/scenes/az.tif", b"of azure")
        text = connection_string(azure.url)
        blocks = [
            AzureBlobStorageCredentials(connection_string=SecretStr(text)),
            GcsBucketBlock(bucket="bucket", gcp_credentials=gcp_credentials(gcs)),
        ]
        clients = [await client_of(block, Config()) for block in blocks]
        item = remote_item(origin, "http")
        for key, href in (("gs", "gs://bucket/gs.tif"), ("az", "az://scenes/az.tif")):
            item.add_asset(key, pystac.Asset(href))
        new = await download_item(item, tmp_path, clients=clients)
        for client in clients:
            await client.close()
    assert set(new.assets) == {"az", "gs", "http"}
    assert (tmp_path / "az.tif").read_bytes() == b"of azure"
    assert (tmp_path / "gs.tif").read_bytes() == b"of google"
    assert {str(token).split(".")[0].split()[0] for token in gcs.tokens} == {"Bearer"}
    sent = {one.headers["authorization"].partition(":")[0] for one in azure.requests}
    assert sent == {f"SharedKey {ACCOUNT}"}
    assert all("authorization" not in one.headers for one in origin.requests)


async def test_refused_credentials_name_the_block(gcs: GcsService, tmp_path: Path) -> None:
    gcs.put("a.tif", b"of google")
    block = gcp_credentials(gcs)
    gcs.accounts.clear()
    async with await client_of(block, Config()) as client:
        with pytest.raises(CredentialError) as caught:
            await anext(client.open_href("gs://bucket/a.tif"))
    assert str(caught.value).startswith("a block of type 'gcp-credentials' without a name was ref")
    assert "eyJ" not in str(caught.value)


async def test_block_without_its_extra_is_refused_with_the_name_of_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    for block, extra in ((GCP, "gcs"), (AZURE, "azure")):
        with pytest.raises(ConfigError, match=rf"pip install 'prefect-stac-asset\[{extra}\]'"):
            await client_of(block, Config())
