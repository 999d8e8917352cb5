"""Internal: writes small objects without botocore, which takes longer than the transfer.

The endpoint rules and the credentials are those of botocore. If a request does not succeed,
botocore sends the request again, with its retries, redirects and errors.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession

from stac_asset.aws.route import Route, resolve_for_writing
from stac_asset.aws.signature import AccessKey

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

MAX_DIRECT = 1024 * 1024
"""Maximum size in bytes of objects that are written without botocore."""

_PAYLOAD = "UNSIGNED-PAYLOAD"
"""The signature does not cover the body, as in the requests of botocore. The checksum does."""

_REFUSALS = frozenset({301, 307, 308, 400, 401, 403, 501})
"""Statuses after which botocore sends all further requests, such as for another region."""

_SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers of aiohttp that botocore does not send."""


@dataclass(frozen=True, slots=True)
class DirectConnection:
    """The connections to a service: with botocore, and without botocore."""

    client: BotocoreClient
    """The botocore client. All requests follow the endpoint rules of this client."""

    session: AioSession = field(repr=False)
    """The botocore session with the credentials."""

    http: ClientSession
    """Sends requests without botocore."""


class DirectWriter:
    """Writer of small objects to a bucket.

    Args:
        connect: Returns the open connection. The result is kept.
        bucket: The name of the bucket.
    """

    def __init__(self, connect: Callable[[], Awaitable[DirectConnection]], bucket: str) -> None:
        self._connect = connect
        self._bucket = bucket
        self._route: Route | None = None
        self._is_refused = False

    async def put(self, key: str, data: memoryview, headers: Mapping[str, str]) -> str | None:
        """Write an object, and return the ETag. None leaves the request to botocore.

        Args:
            key: The key.
            data: The content.
            headers: The headers to sign, with lowercase names.

        Raises:
            botocore.exceptions.BotoCoreError: The bucket has no endpoint, or no credentials.
        """
        if self._is_refused:
            return None
        connection, route = await self._connect(), self._route
        if route is None:
            route = self._route = await resolve_for_writing(connection.client, self._bucket)
        credentials: Any = await connection.session.get_credentials()
        if route.signer is None or credentials is None:
            return None
        url = route.url_of(key)
        access_key: AccessKey = await credentials.get_frozen_credentials()
        signed = route.signer.sign(
            route.target(url, "PUT", _PAYLOAD), headers, access_key, time.time()
        )
        signed["user-agent"] = route.user_agent
        try:
            async with connection.http.put(
                url,
                data=data,
                headers=signed,
                allow_redirects=False,
                skip_auto_headers=_SKIPPED,
            ) as response:
                is_stored = 200 <= response.status < 300
                self._is_refused = response.status in _REFUSALS
                return response.headers.get("ETag") if is_stored else None
        except (ClientError, OSError, TimeoutError):
            return None
