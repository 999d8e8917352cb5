"""Fixtures for several folders of tests of the library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.azurite import Azurite, azurite_running
from tests.support.object_stores import AzureContainer


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Run Azurite for all tests. Each test uses a new container."""
    with azurite_running() as running:
        yield running


@pytest.fixture
def container(azurite: Azurite) -> AzureContainer:
    """Return an empty container."""
    return AzureContainer.create(azurite)
