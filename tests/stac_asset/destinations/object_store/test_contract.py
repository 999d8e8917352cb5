"""The contract of destinations, on Azurite and on a stand-in for Google Cloud Storage."""

from __future__ import annotations

import asyncio

import pytest

from stac_asset.destinations import Destination
from stac_asset.testing import DestinationContract
from tests.support.object_stores import PART, PREFIX, AzureContainer, GcsBucket, locations_outside


class _ObjectStoreContract(DestinationContract):
    part_size = PART
    resumes_uploads = False
    resumes_digest = False
    accepts_ranges = False
    bucket: GcsBucket | AzureContainer

    async def make_destination(self) -> Destination:
        return self.bucket.destination()

    def location_of(self, key: str) -> str:
        return f"{self.bucket.url}/{PREFIX}/{key}"

    def invalid_locations(self) -> list[str]:
        return locations_outside(f"{self.bucket.url}/{PREFIX}")


class TestGcsDestination(_ObjectStoreContract):
    bucket: GcsBucket

    @pytest.fixture(autouse=True)
    def _set_bucket(self, gcs_bucket: GcsBucket) -> None:
        self.bucket = gcs_bucket

    async def content(self, key: str) -> bytes | None:
        return self.bucket.content(key)

    async def has_leftovers(self) -> bool:
        return self.bucket.has_leftovers()


class TestAzureDestination(_ObjectStoreContract):
    bucket: AzureContainer

    @pytest.fixture(autouse=True)
    def _set_bucket(self, container: AzureContainer) -> None:
        self.bucket = container

    async def content(self, key: str) -> bytes | None:
        return await asyncio.to_thread(self.bucket.content, key)

    async def has_leftovers(self) -> bool:
        # Azure discards the uncommitted blocks of an interrupted upload after a week, and has no
        # request that removes the blocks.
        return False
