"""Chooses the client of an href: the caller's own first, then a table of anchored patterns."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Self

from yarl import URL

from stac_asset.clients.base import Client
from stac_asset.clients.earthdata.client import EarthdataClient
from stac_asset.clients.filesystem import FilesystemClient
from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.planetary_computer.client import PlanetaryComputerClient
from stac_asset.clients.route_table import route
from stac_asset.clients.s3.client import S3Client
from stac_asset.config import Config
from stac_asset.errors import ConfigError, SchemeError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href

ENTRY_POINTS = "stac_asset.clients"
"""The entry-point group through which packages add clients: name, and the client class."""


def get_client_classes() -> list[type[Client]]:
    """Returns all known client classes: ours, and those that packages add by entry point."""
    return list(_client_classes().values())


@cache
def _client_classes() -> dict[str, type[Client]]:
    own: list[type[Client]] = [
        FilesystemClient,
        S3Client,
        PlanetaryComputerClient,
        EarthdataClient,
        HttpClient,
    ]
    classes = {client.name: client for client in own}
    for point in _points():
        if point.name not in classes:
            classes[point.name] = point.load()
    return classes


class Clients:
    """The clients of a run: one of each kind, made when first wanted.

    Those that the caller passes are used first, and left open; those that it makes, it closes.
    Then come the clients that packages add, then the table.

    Args:
        config: What clients are made from.
        clients: The caller's own clients, asked in their order.

    Raises:
        ConfigError: `Config.client_override` names no known client.
    """

    lock: asyncio.Lock
    clients: dict[str, Client]
    config: Config

    def __init__(self, config: Config, clients: list[Client] | None = None) -> None:
        self.lock = asyncio.Lock()
        self.clients = {}
        self.config = config
        self._callers = list(clients or [])
        if config.client_override is not None:
            known = {client.name for client in self._callers} | set(_client_classes())
            if config.client_override not in known:
                raise ConfigError(
                    f"client_override '{config.client_override}' is no known client: "
                    f"use one of {', '.join(sorted(known))}"
                )

    @property
    def callers(self) -> tuple[Client, ...]:
        """The caller's own clients, in their order."""
        return tuple(self._callers)

    def claimant(self, url: URL) -> Client | None:
        """Returns the first of the caller's own clients that claims a url, or None.

        Args:
            url: The url; where the configuration names a client, that name alone counts.
        """
        override = self.config.client_override
        for client in self._callers:
            if client.name == override if override is not None else client.claims(url):
                return client
        return None

    async def get_client(self, href: str) -> Client:
        """Gets a client for the provided href.

        Args:
            href: The file href to download

        Returns:
            The client, which stays this object's, or the caller's, to close.

        Raises:
            HrefError: The href is empty or cannot be parsed.
            SchemeError: No client claims it.
        """
        return await self.client_of(parse_href(href))

    async def client_of(self, url: URL) -> Client:
        """Gets a client for a url.

        Args:
            url: What `parse_href` makes of an href.

        Returns:
            The client, which stays this object's, or the caller's, to close.

        Raises:
            SchemeError: No client claims it.
        """
        override = self.config.client_override
        claimant = self.claimant(url)
        if claimant is not None:
            return claimant
        if override is not None:
            return await self._named(override)
        for added in _added_names():
            client = await self._named(added)
            if client.claims(url):
                return client
        name = route(url)
        if name is None:
            raise SchemeError(
                f"no client claims '{redact_href(url)}': its scheme '{url.scheme}' is not one of "
                "http, https, s3 and file"
            )
        return await self._named(name)

    async def _named(self, name: str) -> Client:
        if name in self.clients:
            return self.clients[name]
        async with self.lock:
            if name not in self.clients:
                self.clients[name] = await _client_classes()[name].from_config(self.config)
            return self.clients[name]

    async def close_all(self) -> None:
        """Close all clients that were made here; the caller's stay open."""
        async with self.lock:
            while self.clients:
                _, client = self.clients.popitem()
                await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_all()


@cache
def _added_names() -> tuple[str, ...]:
    return tuple(point.name for point in _points())


@cache
def _points() -> tuple[EntryPoint, ...]:
    # It reads what every package of the environment says.
    return tuple(entry_points(group=ENTRY_POINTS))
