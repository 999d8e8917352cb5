"""Internal: services with a documented maximum number of connections.

Only limits that the provider documents are in the table. The other providers report their limits
with 429 and similar responses, and `host_limits` follows these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

from stac_asset.config import Config
from stac_asset.types import Storage


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service whose provider documents a maximum number of connections."""

    name: str
    """Name of the service. All of its hosts share the connections."""

    hosts: re.Pattern[str]
    """Pattern that matches the whole name of each host."""

    connections: int
    """Maximum number of connections at the same time."""


_SERVICES = (
    KnownService(
        # Four connections per user for S3, OData and STAC downloads:
        # https://documentation.dataspace.copernicus.eu/Quotas.html
        "dataspace.copernicus.eu",
        re.compile(r"([a-z0-9-]+\.)*dataspace\.copernicus\.eu", re.IGNORECASE),
        4,
    ),
)


@lru_cache(maxsize=1024)
def known_service(host: str) -> KnownService | None:
    """Return the service of a host, if its number of connections is documented.

    Args:
        host: The name of the host.
    """
    name = host.rstrip(".")
    return next((service for service in _SERVICES if service.hosts.fullmatch(name)), None)


def max_connections(config: Config, host: str, endpoint: str | None = None) -> int:
    """Return the configured or documented maximum number of connections to a host.

    Args:
        config: The configuration. `host_connections` has precedence.
        host: The name of the host, or of the bucket.
        endpoint: The host of the service, if `host` is a bucket.
    """
    service = known_service(endpoint or host)
    for name in (host, endpoint, service.name if service is not None else None):
        if name is not None and name in config.host_connections:
            return config.host_connections[name]
    general = config.max_connections_per_host
    return general if service is None else min(service.connections, general)


def endpoint_of(url: URL, storage: Storage | None, client: object) -> str | None:
    """Return the host of the S3-compatible service of a URL, if known.

    Args:
        url: The URL of a file.
        storage: The object store of the asset, if the item declares the store.
        client: The client of the URL, which may have an `endpoint_url`.
    """
    if url.scheme != "s3":
        return None
    declared = storage.endpoint if storage is not None else None
    return _host(declared or getattr(client, "endpoint_url", None) or "")


@lru_cache(maxsize=1024)
def _host(url: str) -> str | None:
    try:
        return URL(url).host
    except ValueError:
        return None
