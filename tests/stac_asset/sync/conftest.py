"""Fixtures for mirrors in buckets: a service in memory, and a new bucket behind a proxy."""

from tests.support.s3_fixtures import bucket, proxy, service, store

__all__ = ["bucket", "proxy", "service", "store"]
