"""Internal: connections to S3 for a whole run, by region, endpoint and signing mode.

`S3Client` uses `Connections`. aiobotocore is imported inside functions for import time only.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from stac_asset.clients.http.session import session_of_connector
from stac_asset.clients.s3.advice import source_name
from stac_asset.clients.s3.botocore_clients import (
    ConnectionOptions,
    connect,
    new_connector,
    session_without_files,
)
from stac_asset.clients.s3.objects import RequestTarget
from stac_asset.clients.s3.reader import ObjectReader

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a region and endpoint, with or without signatures."""

    client: BotocoreClient
    """Sends all other requests."""

    reader: ObjectReader
    """Sends GET requests for objects, and HEAD requests for objects that may be copied."""


class Connections:
    """The connections of an `S3Client`, created on first use and closed together."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._connections: dict[RequestTarget, Connection] = {}
        self._http: ClientSession | None = None
        self._stack = AsyncExitStack()
        self._closed = False
        self._has_credentials: bool | None = None
        self._loaded_credentials = False
        self.credential_source = ""
        """The source of the credentials, after `load_credentials`, if known."""

    async def finds_credentials(self, session: AioSession) -> bool:
        """Return whether a session finds credentials.

        The search may take seconds, so the first result is kept.

        Args:
            session: The botocore session.

        Raises:
            Exception: The configuration is invalid.
        """
        if self._has_credentials is None:
            async with self._lock:
                if self._has_credentials is None:
                    self._has_credentials = await session.get_credentials() is not None
        return self._has_credentials

    async def load_credentials(self, session: AioSession) -> bool:
        """Return whether a session finds credentials, and request those of roles and logins.

        Args:
            session: The botocore session.

        Raises:
            Exception: The configuration is invalid, or a service issued no credentials.
        """
        if not self._loaded_credentials and await self.finds_credentials(session):
            async with self._lock:
                if not self._loaded_credentials:
                    credentials: Any = await session.get_credentials()
                    await credentials.get_frozen_credentials()
                    self.credential_source = source_name(str(credentials.method))
                    self._loaded_credentials = True
        return self._loaded_credentials

    def opened(self, target: RequestTarget) -> Connection | None:
        """Return the connection to a region and endpoint, if already open.

        Args:
            target: The region and endpoint, and whether requests are signed.
        """
        return self._connections.get(target)

    async def open(
        self, session: AioSession, target: RequestTarget, options: ConnectionOptions
    ) -> Connection:
        """Return the connection to a region and endpoint. A missing connection is opened.

        Args:
            session: The botocore session that finds the credentials.
            target: The region and endpoint, and whether requests are signed.
            options: Retries and timeouts.

        Raises:
            RuntimeError: The connections are closed.
        """
        async with self._lock:
            if self._closed:
                raise RuntimeError("The S3 client is closed. Create a new client.")
            if target not in self._connections:
                self._connections[target] = await self._connect(session, target, options)
            return self._connections[target]

    async def _connect(
        self, session: AioSession, target: RequestTarget, options: ConnectionOptions
    ) -> Connection:
        try:
            return await self._connect_with(session, target, options)
        except Exception:
            if target.signed:
                raise
        # An invalid AWS configuration must not prevent requests that need no credentials.
        return await self._connect_with(session_without_files(), target, options)

    async def _connect_with(
        self, session: AioSession, target: RequestTarget, options: ConnectionOptions
    ) -> Connection:
        client = await self._stack.enter_async_context(connect(session, target, options))
        limiter = None
        if options.is_adaptive:
            from aiobotocore.retries.adaptive import register_retry_handler

            limiter = register_retry_handler(client)
        if self._http is None:
            connector = await new_connector(session.get_config_variable("ca_bundle"))
            self._http = session_of_connector(connector, options.read_timeout)
            self._stack.push_async_callback(self._http.close)
        reader = ObjectReader(client, session if target.signed else None, self._http, limiter)
        return Connection(client, reader)

    async def close(self) -> None:
        """Close all connections."""
        async with self._lock:
            self._closed = True
            self._connections.clear()
            await self._stack.aclose()
