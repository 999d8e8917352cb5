"""Fixtures for tests of the S3 destination: a bucket that botocore reads and writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.s3_destinations import Bucket, moto_service


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Serve S3 from memory, and return the endpoint."""
    with moto_service() as endpoint:
        yield endpoint


@pytest.fixture
async def bucket(service: str) -> AsyncIterator[Bucket]:
    """Return a new bucket."""
    async with Bucket.create(service) as bucket:
        yield bucket
