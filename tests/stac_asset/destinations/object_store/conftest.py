"""Fixtures for tests of destinations of Google Cloud Storage and Azure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gcs_service import GcsService, gcs_service
from tests.support.object_stores import AzureContainer, GcsBucket


@pytest.fixture
async def gcs() -> AsyncIterator[GcsService]:
    """Return the stand-in for Google Cloud Storage."""
    async with gcs_service() as service:
        yield service


@pytest.fixture
def gcs_bucket(gcs: GcsService) -> GcsBucket:
    """Return an empty bucket."""
    return GcsBucket(gcs)


@pytest.fixture(params=["gcs", "azure"])
def bucket(request: pytest.FixtureRequest) -> GcsBucket | AzureContainer:
    """Return an empty bucket of each service."""
    name = "gcs_bucket" if request.param == "gcs" else "container"
    found: GcsBucket | AzureContainer = request.getfixturevalue(name)
    return found
