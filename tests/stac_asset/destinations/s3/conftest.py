"""Fixtures for tests of the S3 destination: a bucket that botocore reads and writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stac_asset.testing import S3Proxy
from tests.support.s3_destinations import Bucket
from tests.support.s3_fixtures import bucket, proxy, service

__all__ = ["bucket", "proxy", "service"]


@pytest.fixture
async def proxied(proxy: S3Proxy) -> AsyncIterator[Bucket]:
    """Return a new bucket behind the proxy."""
    async with Bucket.create(proxy.url) as bucket:
        proxy.clear()
        yield bucket
