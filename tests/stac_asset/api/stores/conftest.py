"""Fixtures for downloads to object stores: services in memory, and new buckets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gcs_service import gcs_service
from tests.support.object_stores import GcsBucket
from tests.support.s3_fixtures import bucket, proxy, service, store

__all__ = ["bucket", "proxy", "service", "store"]


@pytest.fixture
async def gcs_bucket() -> AsyncIterator[GcsBucket]:
    """Return an empty bucket of the stand-in for Google Cloud Storage."""
    async with gcs_service() as gcs:
        yield GcsBucket(gcs)
