"""Registry of clients, which selects the client for a URL and creates clients when needed.

The first client that claims a URL is used, in this order:

1. the clients that the caller passed, in their order
2. clients that other packages add through the entry-point group `stac_asset.clients`
3. the built-in clients, by `Config.earthdata_hosts` and the table in `route_table`

If `Config.client_override` is set, the client with that name opens every URL instead. The public
functions, the command line and the flows create one `Clients` for each run.
"""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Self

from yarl import URL

from stac_asset.clients.base import Client
from stac_asset.clients.route_table import route
from stac_asset.config import Config
from stac_asset.errors import ConfigError, SchemeError
from stac_asset.host_patterns import HostPatterns
from stac_asset.hrefs import parse_href
from stac_asset.object_store.connection import is_installed, missing_extra
from stac_asset.redact import redact_href

ENTRY_POINTS = "stac_asset.clients"
"""Entry-point group for clients of other packages. An entry point maps a name to a client class."""


_BUILT_IN = {
    name: EntryPoint(name, f"stac_asset.clients.{value}", ENTRY_POINTS)
    for name, value in {
        "filesystem": "filesystem:FilesystemClient",
        "data": "data:DataClient",
        "s3": "s3.client:S3Client",
        "planetary-computer": "planetary_computer.client:PlanetaryComputerClient",
        "earthdata": "earthdata.client:EarthdataClient",
        "http": "http.client:HttpClient",
        "gcs": "object_store.client:GcsClient",
        "azure": "object_store.client:AzureClient",
    }.items()
}
"""The built-in clients by name. The modules are imported on first use."""


def get_client_classes() -> list[type[Client]]:
    """Return the built-in client classes and those that packages add by entry point."""
    return [_client_class(name) for name in _client_points()]


@cache
def _client_class(name: str) -> type[Client]:
    loaded: type[Client] = _client_points()[name].load()
    return loaded


def _client_points() -> dict[str, EntryPoint]:
    return _BUILT_IN | {point.name: point for point in _client_entry_points()}


class Clients:
    """The clients of a run. Each client class is instantiated at most once, on first use.

    Clients that the caller passes come first and stay open. `close_all` closes the clients
    that this object created. The module's docstring describes the order.

    Args:
        config: The configuration of the created clients.
        clients: The caller's own clients, in the order of precedence.

    Raises:
        ConfigError: `Config.client_override` is not the name of a known client, `clients` is not a
            list of clients, or `Config.earthdata_hosts` has an invalid host.
    """

    lock: asyncio.Lock
    """Lock held while a client is created or closed."""

    clients: dict[str, Client]
    """The clients that this object created, by name."""

    config: Config
    """The configuration of the created clients."""

    def __init__(self, config: Config, clients: list[Client] | None = None) -> None:
        self.lock = asyncio.Lock()
        self.clients = {}
        self.config = config
        self._callers = _checked(clients)
        self._earthdata_hosts = HostPatterns(config.earthdata_hosts)
        if config.client_override is not None:
            known = {client.name for client in self._callers} | set(_client_points())
            if config.client_override not in known:
                raise ConfigError(
                    f"`client_override` '{config.client_override}' is not a known client. "
                    f"Set `client_override` to one of {', '.join(sorted(known))}."
                )

    @property
    def callers(self) -> tuple[Client, ...]:
        """The clients that the caller passed, in the order of the argument."""
        return tuple(self._callers)

    def claimant(self, url: URL) -> Client | None:
        """Return the first of the caller's clients that claims a URL, if any.

        If `Config.client_override` is set, return the caller's client with that name instead.

        Args:
            url: The URL.
        """
        override = self.config.client_override
        for client in self._callers:
            if client.name == override if override is not None else client.claims(url):
                return client
        return None

    async def get_client(self, href: str) -> Client:
        """Return the client for an href.

        Args:
            href: The href of the file.

        Returns:
            The client. Do not close the client, because the whole run shares it.

        Raises:
            HrefError: The href is empty or cannot be parsed.
            SchemeError: No client claims the href.
        """
        return await self.client_of(parse_href(href))

    async def client_of(self, url: URL) -> Client:
        """Return the client for a URL.

        Args:
            url: The URL, as returned by `parse_href`.

        Returns:
            The client. Do not close the client, because the whole run shares it.

        Raises:
            SchemeError: No client claims the URL.
        """
        override = self.config.client_override
        claimant = self.claimant(url)
        if claimant is not None:
            return claimant
        if override is not None:
            return await self._named(override)
        for added in _entry_point_names():
            client = await self._named(added)
            if client.claims(url):
                return client
        name = "earthdata" if url in self._earthdata_hosts else route(url)
        if name is None:
            raise SchemeError(
                f"No client claims '{redact_href(url)}': the scheme '{url.scheme}' is unknown. "
                "Use http, https, s3 or file, or pass a client that claims the URL."
            )
        if name in ("gcs", "azure") and not is_installed():
            raise SchemeError(f"No client claims '{redact_href(url)}': {missing_extra(name)}")
        return await self._named(name)

    async def _named(self, name: str) -> Client:
        if name in self.clients:
            return self.clients[name]
        async with self.lock:
            if name not in self.clients:
                self.clients[name] = await _client_class(name).from_config(self.config)
            return self.clients[name]

    async def close_all(self) -> None:
        """Close the clients that this object created. The caller's clients stay open."""
        async with self.lock:
            while self.clients:
                _, client = self.clients.popitem()
                await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_all()


def _checked(clients: object) -> list[Client]:
    """Return the `clients` of a caller as a list.

    Raises:
        ConfigError: The value is not a list of clients.
    """
    if clients is None:
        return []
    if not isinstance(clients, list | tuple):
        raise ConfigError(
            f"`clients` must be a list of clients, not {_kind(clients)}. Use `clients=[client]`."
        )
    for client in clients:
        if not isinstance(client, Client):
            raise ConfigError(
                f"`clients` must contain clients, not {_kind(client)}. Create a client, for "
                "example with `await HttpClient.from_config(config)`."
            )
    return list(clients)


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


@cache
def _entry_point_names() -> tuple[str, ...]:
    return tuple(point.name for point in _client_entry_points())


@cache
def _client_entry_points() -> tuple[EntryPoint, ...]:
    # Cached because `entry_points` reads the metadata of every installed package.
    points = entry_points(group=ENTRY_POINTS)
    # A package cannot replace a built-in client.
    return tuple(point for point in points if point.name not in _BUILT_IN)
