"""Fixtures of S3 destinations: a service in memory, a new bucket for each test, a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from stac_asset import Config
from stac_asset.testing import S3Proxy
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket, moto_service


@pytest.fixture(scope="package")
def service() -> Iterator[str]:
    """Serve S3 from memory, and return the endpoint."""
    with moto_service() as endpoint:
        yield endpoint


@pytest.fixture
def proxy(service: str) -> Iterator[S3Proxy]:
    """Record requests and inject faults in front of the service."""
    with S3Proxy(service) as proxy:
        yield proxy


@pytest.fixture
async def bucket(service: str) -> AsyncIterator[Bucket]:
    """Return a new bucket, which the tests read without the proxy."""
    async with Bucket.create(service) as bucket:
        yield bucket


@pytest.fixture
def store(proxy: S3Proxy) -> Config:
    """Return the options of downloads to the service."""
    return Config(
        retry_wait=0,
        destination_endpoint_url=proxy.url,
        destination_access_key_id=KEY,
        destination_secret_access_key=SECRET,
    )
