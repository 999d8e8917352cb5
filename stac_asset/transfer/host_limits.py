"""Internal: the connections of a run to all hosts.

The engine and the probes of a run share one `HostLimits`. The tasks of a flow run share it across
event loops. `HostState` and `HostConnection` apply the decisions of `refusals`.

- A host that refuses connections gets fewer connections, and later a few more again.
- A host that requests a wait gets no request from any download until the wait is over.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from yarl import URL

from stac_asset.config import Config
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_state import HostState
from stac_asset.transfer.known_hosts import endpoint_of, known_service, max_connections
from stac_asset.transfer.meter import Meter
from stac_asset.types import Storage


class HostLimits:
    """The connections of a run to all hosts.

    Args:
        config: The limits of connections, the waits and the number of attempts.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._hosts: dict[tuple[str, str | None], HostState] = {}
        self._services: dict[str, HostState] = {}

    def connection(
        self,
        host: str,
        endpoint: str | None = None,
        slots: AbstractAsyncContextManager[object] | None = None,
        meter: Meter | None = None,
    ) -> HostConnection:
        """Return a connection to a host, which is opened with `async with`.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
            slots: A further limit of connections.
            meter: Counts and slows down the traffic of the connection.
        """
        found = self._hosts.get((host, endpoint))
        if found is None:
            service = known_service(endpoint or host)
            name = service.name if service is not None else host
            maximum = max_connections(self._config, host, endpoint)
            found = self._services.setdefault(name, HostState(name, maximum, self._config))
            found = self._hosts.setdefault((host, endpoint), found)
        return HostConnection(found, self._config, slots, meter)


class OpenConnection(Protocol):
    """Returns a connection to a host, such as `HostLimits.connection`."""

    def __call__(self, host: str, endpoint: str | None = None) -> HostConnection:
        """Return a connection.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
        """


def connection_to(
    url: URL, storage: Storage | None, client: object, connect: OpenConnection
) -> HostConnection | None:
    """Return the connection for a URL. A URL without a host has no connection.

    Args:
        url: The URL.
        storage: The object store of the asset, if the item declares the store.
        client: The client of the URL.
        connect: Returns the connection to a host.
    """
    return connect(url.host, endpoint_of(url, storage, client)) if url.host else None
