"""Fixtures for downloads to object stores: services in memory, and new buckets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.azurite import Azurite, azurite_running
from tests.support.gcs_service import gcs_service
from tests.support.object_stores import AzureContainer, GcsBucket
from tests.support.s3_fixtures import bucket, proxy, service, store

__all__ = ["bucket", "proxy", "service", "store"]


@pytest.fixture
async def gcs_bucket() -> AsyncIterator[GcsBucket]:
    """Return an empty bucket of the stand-in for Google Cloud Storage."""
    async with gcs_service() as gcs:
        yield GcsBucket(gcs)


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    """Return a running Azurite."""
    with azurite_running() as azurite:
        yield azurite


@pytest.fixture
def container(azurite: Azurite) -> AzureContainer:
    """Return an empty container."""
    return AzureContainer.create(azurite)
