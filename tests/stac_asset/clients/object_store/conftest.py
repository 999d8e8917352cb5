"""Fixtures for tests of the clients of Google Cloud Storage and Azure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gcs_service import GcsService, gcs_service


@pytest.fixture
async def gcs() -> AsyncIterator[GcsService]:
    """Return the stand-in for Google Cloud Storage."""
    async with gcs_service() as service:
        yield service
