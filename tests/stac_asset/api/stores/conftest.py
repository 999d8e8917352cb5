"""Fixtures for downloads to buckets: a service in memory, and a new bucket behind a proxy."""

from __future__ import annotations

import pytest

from stac_asset import Config
from stac_asset.testing import S3Proxy
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_fixtures import bucket, proxy, service

__all__ = ["bucket", "proxy", "service"]


@pytest.fixture
def store(proxy: S3Proxy) -> Config:
    """Return the options of downloads to the service."""
    return Config(
        retry_wait=0,
        destination_endpoint_url=proxy.url,
        destination_access_key_id=KEY,
        destination_secret_access_key=SECRET,
    )
