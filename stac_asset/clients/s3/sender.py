"""Internal: requests of the S3 client, signed or unsigned, over the connection of the object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from stac_asset.clients.s3.access import BucketAccess, EndpointBucket
from stac_asset.clients.s3.attempts import AttemptLimit
from stac_asset.clients.s3.botocore_clients import ConnectionOptions
from stac_asset.clients.s3.connections import Connection, Connections
from stac_asset.clients.s3.errors import Access, mapped_errors, search_error
from stac_asset.clients.s3.objects import RequestTarget, object_of, request_target, shown_href
from stac_asset.errors import AccessError, MissingCredentialError
from stac_asset.transfer.interface import Request

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_Answer = TypeVar("_Answer")


class RequestSettings(Protocol):
    """The attributes of `S3Client` that apply to its requests."""

    session: AioSession
    region_name: str
    requester_pays: bool
    retry_mode: str
    max_attempts: int
    endpoint_url: str | None
    read_timeout: float
    unsigned: bool


class RequestSender:
    """Sends the requests of an S3 client.

    Args:
        client: The client. Its attributes are public, so they are read for each request.
    """

    def __init__(self, client: RequestSettings) -> None:
        self._client = client
        self._connections = Connections()
        self._access = BucketAccess()
        self._attempt_limit = AttemptLimit()

    async def check(self, request: Request) -> None:
        """Check that credentials are configured, if the requester pays for an object.

        Args:
            request: The object.

        Raises:
            MissingCredentialError: The requester pays, and no credentials were found.
        """
        client = self._client
        target = request_target(request.storage, client.region_name, client.endpoint_url)
        pays = request.storage is not None and request.storage.requester_pays
        if not target.signed or not (client.requester_pays or pays):
            return
        shown = shown_href(request.url)
        if client.unsigned:
            raise MissingCredentialError(_paid_but_unsigned(shown))
        with mapped_errors(shown):
            signed = await self._connections.finds_credentials(client.session)
        if not signed:
            raise MissingCredentialError(
                f"Requester pays is enabled for {shown}, but no AWS credentials were found. "
                "Configure credentials."
            )

    async def send(
        self, request: Request, send: Callable[[Connection, str, str, bool], Awaitable[_Answer]]
    ) -> _Answer:
        """Send a request for an object, signed or unsigned.

        Args:
            request: The object.
            send: Function that sends the request over a connection. Its arguments are the
                connection, the bucket, the key, and whether the requester pays.

        Raises:
            StacAssetError: The request failed.
        """
        client, shown = self._client, shown_href(request.url)
        bucket, key = object_of(request.url)
        target = request_target(request.storage, client.region_name, client.endpoint_url)
        failure, signed = None, target.signed and not client.unsigned
        if signed:
            try:
                signed = await self._connections.load_credentials(client.session)
            except Exception as error:
                failure = search_error(error, shown)
        paid = client.requester_pays and target.signed
        if paid:
            if failure is not None:
                raise failure
            if not signed and client.unsigned:
                raise AccessError(_paid_but_unsigned(shown))
            if not signed:
                raise AccessError(
                    f"Requester pays is enabled for {shown}, but no AWS credentials were found. "
                    "Configure credentials or set `s3_requester_pays=False`."
                )
        access = Access(
            target,
            signed,
            request.storage,
            client.requester_pays,
            client.unsigned,
            self._connections.credential_source,
        )

        async def send_to(signed: bool) -> _Answer:
            to = await self._connection(target, signed)
            return await send(to, bucket, key, paid)

        pays = client.requester_pays or (request.storage and request.storage.requester_pays)
        with self._attempt_limit.with_object(request.url), mapped_errors(shown, access):
            if not signed or pays:
                if failure is not None:
                    raise failure
                return await send_to(signed)
            return await self._access.request(
                EndpointBucket(target.endpoint, bucket), send_to, failure
            )

    async def _connection(self, target: RequestTarget, signed: bool) -> Connection:
        client = self._client
        if target.signed != signed:
            target = replace(target, signed=signed)
        found = self._connections.opened(target)
        if found is None:
            options = ConnectionOptions(client.retry_mode, client.max_attempts, client.read_timeout)
            found = await self._connections.open(client.session, target, options)
        return found

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()


def _paid_but_unsigned(shown: str) -> str:
    return (
        f"Requester pays is enabled for {shown}, but requests are sent without credentials. Unset "
        "`s3_unsigned` and `AWS_NO_SIGN_REQUEST`."
    )
