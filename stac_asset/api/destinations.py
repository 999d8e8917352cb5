"""Internal: the destinations of a run: local directories, and prefixes of object stores.

The connections use only the options of `Config` that start with `destination_`. The credentials of
sources are not used for the destination, and the other way round.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from stac_asset.api.object_stores import object_store_destination
from stac_asset.concurrency import cancel_all
from stac_asset.config import Config
from stac_asset.destinations import Destination, LocalDestinations
from stac_asset.destinations.location import StorePath, is_store
from stac_asset.destinations.store_copy import StoreAccess

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

    from stac_asset.clients.s3.identity import S3Identity
    from stac_asset.destinations.object_store import ObjectStoreDestination
    from stac_asset.destinations.s3 import DirectConnection, S3Destination


class RunDestinations:
    """The destinations of a run, a reentrant context manager that closes connections and folders.

    Args:
        config: The validated configuration.
        identity: The identity that signs requests to S3. By default, that of the options
            `destination_profile`, `destination_access_key_id` and so on.
        writable: Whether the run writes to the destinations, for messages.
    """

    def __init__(
        self, config: Config, identity: S3Identity | None = None, writable: bool = True
    ) -> None:
        self._config = config
        self._identity = identity
        self._action = "written" if writable else "read"
        self._local = LocalDestinations(config.make_directory, config.fsync)
        self._stores: dict[str, S3Destination | ObjectStoreDestination] = {}
        self._connecting: asyncio.Task[DirectConnection] | None = None
        self._session: tuple[AioSession, bool] | None = None
        """The session of the client, and whether botocore searches for the credentials."""
        self._prepared: set[tuple[str, bool]] = set()
        """The prefixes that were checked, and whether for writing."""
        self._stack = AsyncExitStack()
        self._entered = 0

    async def __aenter__(self) -> Self:
        self._entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entered -= 1
        if not self._entered:
            self._local.close()
            for store in self._stores.values():
                await store.close()
            self._stores.clear()
            self._prepared.clear()
            if self._connecting is not None:
                await cancel_all([self._connecting])
                self._connecting = None
            await self._stack.aclose()

    def destination_of(self, directory: str) -> Destination:
        """Return the destination of a directory. Each call returns the same object.

        Args:
            directory: The absolute path of the directory, or the URL of a prefix.
        """
        if not is_store(directory):
            return self._local.destination_of(directory)
        return self._store(directory)

    async def prepare(self, directory: str, writable: bool = True) -> None:
        """Check that a prefix can be written. Local directories are checked when files are opened.

        Repeated calls check a prefix once.

        Args:
            directory: The absolute path of the directory, or the URL of a prefix.
            writable: Write and delete a probe. Otherwise, only check that the prefix can be listed.

        Raises:
            DestinationError: The prefix cannot be written, or not be listed.
        """
        if not is_store(directory) or (directory, writable) in self._prepared:
            return
        if _is_s3(directory):
            from stac_asset.destinations.s3.errors import mapped_s3_errors

            with mapped_s3_errors(directory, self._action):
                await self._client()
        await self._store(directory).prepare(writable)
        self._prepared.add((directory, writable))

    def _store(self, directory: str) -> S3Destination | ObjectStoreDestination:
        found = self._stores.get(directory)
        if found is None:
            if _is_s3(directory):
                found = self._s3(directory)
            else:
                found = object_store_destination(directory, self._config, self._action)
            self._stores[directory] = found
        return found

    def _s3(self, directory: str) -> S3Destination:
        # Importing takes a tenth of a second.
        from stac_asset.destinations.s3 import ObjectSettings, S3Destination, S3Store

        config, place = self._config, StorePath.parse(directory)
        settings = ObjectSettings(
            storage_class=config.destination_storage_class,
            encryption=config.destination_encryption,
            kms_key_id=config.destination_kms_key_id,
            acl=config.destination_acl,
            tags=urlencode(config.destination_tags) or None,
        )
        bucket = place.store.partition("://")[2]
        store = S3Store(
            self._client, bucket, settings, self._action, self._connection, self._access
        )
        return S3Destination(store, place.key, config.destination_endpoint_url or "")

    async def _client(self) -> BotocoreClient:
        """Return the botocore client of all prefixes."""
        return (await self._connection()).client

    async def _connection(self) -> DirectConnection:
        """Return the connection of all prefixes, which is opened at the first use."""
        task = self._connecting
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(task)

    async def _connect(self) -> DirectConnection:
        from stac_asset.clients.http.session import session_of_connector
        from stac_asset.clients.s3.botocore_clients import (
            ConnectionOptions,
            connect_for_writing,
            new_connector,
        )
        from stac_asset.clients.s3.identity import S3Identity
        from stac_asset.clients.s3.logs import limit_botocore_logging
        from stac_asset.destinations.s3 import DirectConnection

        config = self._config
        identity = self._identity or S3Identity(
            access_key_id=config.destination_access_key_id,
            secret_access_key=config.destination_secret_access_key,
            session_token=config.destination_session_token,
            profile_name=config.destination_profile,
        )
        options = ConnectionOptions(
            config.s3_retry_mode, config.s3_max_attempts, config.http_read_timeout
        )
        limit_botocore_logging()
        region, endpoint = config.destination_region, config.destination_endpoint_url
        session = identity.session(region or "")
        self._session = session, identity.is_default
        client = await self._stack.enter_async_context(
            connect_for_writing(session, region, endpoint, options)
        )
        connector = await new_connector(session.get_config_variable("ca_bundle"))
        http = session_of_connector(connector, options.read_timeout)
        self._stack.push_async_callback(http.close)
        return DirectConnection(client, session, http)

    async def _access(self) -> StoreAccess | None:
        """Return the service and the credentials, for a comparison with those of sources."""
        from stac_asset.aws.credentials import credential_digests
        from stac_asset.clients.s3.objects import endpoint_of

        await self._client()
        assert self._session is not None, "the client is connected"
        url = self._config.destination_endpoint_url
        digests = await credential_digests(*self._session)
        return StoreAccess(endpoint_of(url) if url is not None else None, digests)


def _is_s3(directory: str) -> bool:
    return directory.startswith("s3://")
