"""Fixtures for tests of the S3 destination: a bucket that botocore reads and writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from stac_asset.testing import S3Proxy
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


@pytest.fixture
def proxy(service: str) -> Iterator[S3Proxy]:
    """Inject faults between client and service."""
    with S3Proxy(service) as proxy:
        yield proxy


@pytest.fixture
async def proxied(proxy: S3Proxy) -> AsyncIterator[Bucket]:
    """Return a new bucket behind the proxy."""
    async with Bucket.create(proxy.url) as bucket:
        proxy.clear()
        yield bucket
