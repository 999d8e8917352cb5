"""The contract of clients, on Azurite and on a stand-in for Google Cloud Storage."""

from __future__ import annotations

import asyncio

import pytest

from stac_asset.clients import Client
from stac_asset.clients.object_store import AzureClient, GcsClient
from stac_asset.testing import ClientContract
from tests.support.azurite import KEY
from tests.support.gcs_service import TOKEN, GcsService
from tests.support.object_stores import AzureContainer, GcsBucket


class TestGcsClient(ClientContract):
    secrets = (TOKEN,)

    @pytest.fixture(autouse=True)
    def _serve(self, gcs: GcsService) -> None:
        self.service = gcs

    async def make_client(self) -> Client:
        return GcsClient(GcsBucket(self.service).identity)

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        self.service.put(name, data, kind=content_type or "application/octet-stream")
        return f"gs://bucket/{name}"

    def missing_href(self) -> str:
        return "gs://bucket/missing.bin"

    def foreign_href(self) -> str:
        return "s3://bucket/file.bin"


class TestAzureClient(ClientContract):
    secrets = (KEY,)

    @pytest.fixture(autouse=True)
    def _serve(self, container: AzureContainer) -> None:
        self.container = container

    async def make_client(self) -> Client:
        return AzureClient(self.container.identity)

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        azurite, container = self.container.azurite, self.container.name
        await asyncio.to_thread(azurite.put, container, name, data, content_type)
        return f"az://{container}/{name}"

    def missing_href(self) -> str:
        account = "devstoreaccount1.dfs.core.windows.net"
        return f"abfs://{self.container.name}@{account}/missing.bin"

    def foreign_href(self) -> str:
        return "https://devstoreaccount1.blob.core.windows.net/container/file.bin"
