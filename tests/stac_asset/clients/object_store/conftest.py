"""Fixtures for tests of the clients of Google Cloud Storage and Azure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.azurite import Azurite, azurite_running
from tests.support.gcs_service import GcsService, gcs_service
from tests.support.object_stores import AzureContainer


@pytest.fixture
async def gcs() -> AsyncIterator[GcsService]:
    """Return the stand-in for Google Cloud Storage."""
    async with gcs_service() as service:
        yield service


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    """Return a running Azurite."""
    with azurite_running() as azurite:
        yield azurite


@pytest.fixture
def container(azurite: Azurite) -> AzureContainer:
    """Return an empty container."""
    return AzureContainer.create(azurite)
