"""Configuration of the verification tests."""

from __future__ import annotations

import pytest

from stac_asset import Config
from tests.support.s3_fixtures import bucket, proxy, service, store

__all__ = ["bucket", "proxy", "service", "store"]


@pytest.fixture
def config() -> Config:
    """A configuration that writes checksums and makes at most two attempts."""
    return Config(retry_wait=0.01, http_max_attempts=2, write_checksums=True)
