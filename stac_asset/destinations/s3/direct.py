"""Internal: sends frequent requests without botocore, which takes longer than the transfer.

The endpoint rules and the credentials are those of botocore. If a request does not succeed,
botocore sends the request again, with its retries, redirects and errors.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession
from yarl import URL

from stac_asset.aws.route import Route, resolve_for_writing
from stac_asset.aws.signature import EMPTY_PAYLOAD, AccessKey, SignedTarget
from stac_asset.destinations.s3.errors import HeaderError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

MAX_DIRECT = 1024 * 1024
"""Maximum size in bytes of objects that are written without botocore."""

_UNSIGNED = "UNSIGNED-PAYLOAD"
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


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A request to a bucket."""

    operation: str
    """The name of the operation, such as `PutObject`. A refusal applies to one operation."""

    method: str
    """The HTTP method."""

    key: str = ""
    """The key. Empty for a request to the bucket."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers to sign, with lowercase names."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """The parameters of the query."""

    data: memoryview | None = None
    """The body."""


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """The response to a request that succeeded."""

    headers: Mapping[str, str]
    """The headers, with case-insensitive names."""

    body: bytes
    """The body."""


class DirectRequests:
    """Sends requests to a bucket without botocore.

    Args:
        connect: Returns the open connection. The result is kept.
        bucket: The name of the bucket.
    """

    def __init__(self, connect: Callable[[], Awaitable[DirectConnection]], bucket: str) -> None:
        self._connect = connect
        self._bucket = bucket
        self._route: Route | None = None
        self._refused: set[str] = set()

    async def send(self, request: DirectRequest) -> DirectResponse | None:
        """Send a request, and return the response.

        Args:
            request: The request.

        Returns:
            The response. None if botocore must send the request.

        Raises:
            botocore.exceptions.BotoCoreError: The bucket has no endpoint, or no credentials.
            HeaderError: The credentials contain a control character.
        """
        if request.operation in self._refused:
            return None
        connection, route = await self._connect(), self._route
        if route is None:
            route = self._route = await resolve_for_writing(connection.client, self._bucket)
        credentials: Any = await connection.session.get_credentials()
        if route.signer is None or credentials is None:
            return None
        access_key: AccessKey = await credentials.get_frozen_credentials()
        url, query = route.url_of(request.key), _query_of(request.parameters)
        if not request.key:
            url = route.bucket_url
        payload = EMPTY_PAYLOAD if request.data is None else _UNSIGNED
        target = SignedTarget(route.host, url.raw_path, request.method, query, payload)
        headers = route.signer.sign(target, request.headers, access_key, time.time())
        headers["user-agent"] = route.user_agent
        try:
            async with connection.http.request(
                request.method,
                URL(f"{url}?{query}", encoded=True) if query else url,
                data=request.data,
                headers=headers,
                allow_redirects=False,
                skip_auto_headers=_SKIPPED,
            ) as response:
                if not 200 <= response.status < 300:
                    if response.status in _REFUSALS:
                        self._refused.add(request.operation)
                    return None
                return DirectResponse(response.headers, await response.read())
        except (ClientError, OSError, TimeoutError):
            return None
        except ValueError:  # aiohttp sends no header with a control character.
            raise HeaderError from None


def _query_of(parameters: Mapping[str, str]) -> str:
    """Return the query in the form that is signed."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )
