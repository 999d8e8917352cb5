"""Client for S3 and S3-compatible services.

Requests are signed if credentials are found, and unsigned otherwise, so that private and public
buckets can be read. `access` repeats refused requests unsigned. botocore searches for credentials:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset import validate
from stac_asset.aws.credentials import credential_digests
from stac_asset.clients.http import headers as headers_of
from stac_asset.clients.http.opening import close_response, opened
from stac_asset.clients.range_client import RangeClient
from stac_asset.clients.s3.access import is_unsigned_environment
from stac_asset.clients.s3.checksums import StoredChecksum, stored_checksum
from stac_asset.clients.s3.connections import Connection
from stac_asset.clients.s3.copies import stored_object
from stac_asset.clients.s3.identity import BucketPrefix, S3Identity
from stac_asset.clients.s3.logs import limit_botocore_logging
from stac_asset.clients.s3.objects import (
    endpoint_of,
    object_of,
    request_target,
    shown_href,
    validator_of,
)
from stac_asset.clients.s3.reader import ObjectResponse
from stac_asset.clients.s3.sender import RequestSender
from stac_asset.config import (
    DEFAULT_S3_MAX_ATTEMPTS,
    DEFAULT_S3_REGION_NAME,
    DEFAULT_S3_RETRY_MODE,
    Config,
)
from stac_asset.destinations.store_copy import CopyTarget, StoreAccess, StoredSource
from stac_asset.errors import (
    AccessError,
    ConfigError,
    NotFoundError,
    ResponseError,
    StacAssetError,
)
from stac_asset.redact import redact_href
from stac_asset.transfer.declared_format import names_directory
from stac_asset.transfer.interface import Request, Response, Stat

if TYPE_CHECKING:
    from aiobotocore.session import AioSession


_HEAD_REFUSED_STATUSES = frozenset({400, 405, 501})


class S3Client(RangeClient):
    """A client for S3 URLs (`s3://bucket/key`).

    `requester_pays` requires AWS credentials. See the AWS documentation for instructions.

    In the first attempt of the engine, botocore requests the headers of an object up to
    `max_attempts` times. In each further attempt of the engine, botocore sends a single request,
    so that the two numbers of attempts do not multiply.

    Args:
        requester_pays: If true, the owner of the credentials pays for the requests.
        region_name: The default region, for items that declare no region.
        retry_mode: The retry mode, one of adaptive, legacy, or standard.
        max_attempts: The maximum number of attempts of botocore per request.
        endpoint_url: The URL of an S3-compatible service to use instead of AWS. Credentials are
            sent to this endpoint, but not to other endpoints that items declare.
        check_content_type: If true, a content type that differs from the asset's is an error. If
            false, the difference is logged as a warning.
        read_timeout: Seconds without a byte after which an attempt fails.
        identity: The AWS identity that signs requests. By default, botocore searches for
            credentials.
        buckets: The buckets, and prefixes in buckets (`bucket/prefix`), that this client claims.
            By default, the client claims all S3 hrefs.
        unsigned: If true, requests are sent without credentials. By default, the environment
            variable `AWS_NO_SIGN_REQUEST` decides. An `identity` has precedence over both.

    Raises:
        ConfigError: The endpoint is not a URL, or one of `buckets` is not valid.
    """

    name = "s3"

    session: AioSession
    """The botocore session that will be used for all S3 requests."""

    region_name: str
    """The default region, for items that declare no region."""

    requester_pays: bool
    """If True, enable access to requester pays buckets."""

    retry_mode: str
    """The retry mode: adaptive, legacy, or standard."""

    max_attempts: int
    """The maximum number of attempts of botocore per request."""

    endpoint_url: str | None
    """The URL of an S3-compatible service to use instead of AWS."""

    unsigned: bool
    """If True, requests are sent without credentials."""

    def __init__(
        self,
        requester_pays: bool = False,
        region_name: str = DEFAULT_S3_REGION_NAME,
        retry_mode: str = DEFAULT_S3_RETRY_MODE,
        max_attempts: int = DEFAULT_S3_MAX_ATTEMPTS,
        endpoint_url: str | None = None,
        check_content_type: bool = True,
        read_timeout: float = Config.http_read_timeout,
        identity: S3Identity | None = None,
        buckets: Iterable[str] = (),
        unsigned: bool | None = None,
    ) -> None:
        if endpoint_url is not None and endpoint_of(endpoint_url) is None:
            raise ConfigError(
                f"S3 endpoint '{redact_href(endpoint_url)}' is not a valid http or https URL. Set "
                "`endpoint_url` to a URL without user and password."
            )
        self._buckets = tuple(BucketPrefix.parse(bucket) for bucket in buckets)
        identity_or_default = identity or S3Identity()
        self.session = identity_or_default.session(region_name)
        self._default_session = self.session if identity_or_default.is_default else None
        limit_botocore_logging()
        self.region_name = region_name
        self.requester_pays = requester_pays
        self.retry_mode = retry_mode
        self.max_attempts = max_attempts
        self.endpoint_url = endpoint_url
        self.check_content_type = check_content_type
        self.read_timeout = read_timeout
        self.unsigned = _is_unsigned(unsigned, identity)
        self._sender = RequestSender(self)

    @classmethod
    async def from_config(
        cls, config: Config, identity: S3Identity | None = None, buckets: Iterable[str] = ()
    ) -> Self:
        """Create an S3 client from a configuration.

        Args:
            config: The configuration.
            identity: The AWS identity that signs requests. By default, botocore searches for
                credentials.
            buckets: The buckets, and prefixes in buckets, that the client claims; by default all.

        Raises:
            ConfigError: The endpoint is not a URL, or one of `buckets` is not valid.
        """
        client = cls(
            requester_pays=config.s3_requester_pays,
            region_name=config.s3_region_name,
            retry_mode=config.s3_retry_mode,
            max_attempts=config.s3_max_attempts,
            endpoint_url=config.s3_endpoint_url,
            check_content_type=config.http_check_content_type,
            read_timeout=config.http_read_timeout,
            identity=identity,
            buckets=buckets,
            unsigned=config.s3_unsigned,
        )
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Return whether a URL is an S3 URL in this client's buckets.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        return super().claims(url) and (
            not self._buckets or any(url in bucket for bucket in self._buckets)
        )

    async def check(self, request: Request) -> None:
        """Check that credentials are configured, if the requester pays for an object.

        Args:
            request: The object.

        Raises:
            MissingCredentialError: The requester pays, and no credentials were found.
        """
        await self._sender.check(request)

    async def has_credentials(self) -> bool:
        """Return whether the session has credentials."""
        return await self.session.get_credentials() is not None

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Open an S3 URL at the request's offset.

        Args:
            request: The object and the requested bytes.

        Raises:
            SchemeError: The URL is not an S3 URL.
            HrefError: The URL has no bucket or no key.
            ContentError: The object does not exist, but is a prefix of other objects.
            ContentTypeError: The content type of the object differs from the asset's.
        """
        with self.naming_credentials(request.url):
            found, checksum = await self._get(request)
            shown = shown_href(request.url)
            response = None
            try:
                content_type = found.headers.get(hdrs.CONTENT_TYPE)
                if content_type != request.content_type:
                    validate.check_content_type(
                        content_type, request.content_type, self.check_content_type, shown
                    )
                etag = validator_of(found.headers.get(hdrs.ETAG))
                # Not all of botocore's checksums accept views of memory.
                is_direct = request.accepts_views and request.watched
                response = opened(found, shown, etag, _is_part(found), is_direct)
                # S3's checksum is for the whole object, so byte ranges could not be verified.
                response.ranges = checksum is None
                if checksum is not None:
                    response.chunks = checksum.verified(response.chunks, shown)
                    response.piped_chunks = None
                yield response
            finally:
                await close_response(found, response)

    async def stored_source(self, request: Request, target: CopyTarget) -> StoredSource | None:
        """Return the object, if the destination is in the same service with the same credentials.

        Objects whose content type differs from the type of the asset are downloaded, so that
        their content is checked.

        Args:
            request: The object.
            target: Returns the service and the credentials of the destination, if any.
        """
        access = await target()
        place = request_target(request.storage, self.region_name, self.endpoint_url)
        if access is None or self.unsigned or not place.signed:
            return None
        is_default = self.session is self._default_session
        with suppress(StacAssetError):  # The download reports the error.
            digests = await credential_digests(self.session, is_default)
            endpoint = endpoint_of(place.endpoint) if place.endpoint is not None else None
            if StoreAccess(endpoint, digests).is_same(access):
                return await self._sender.send(request, partial(stored_object, request))
        return None

    async def _get(self, request: Request) -> tuple[ClientResponse, StoredChecksum | None]:
        if not request.validator or not (request.offset or request.end):
            return await self._get_whole(request)
        last = "" if request.end is None else request.end - 1
        headers = {"range": f"bytes={request.offset}-{last}", "if-match": request.validator}
        try:
            response = (await self._read(request, headers)).response
        except ResponseError as error:
            # The object changed (412), or the part file is complete or too long (416): restart.
            if error.status not in (412, 416) or request.end is not None:
                raise
        else:
            etag = validator_of(response.headers.get(hdrs.ETAG))
            same = not _is_part(response) or etag == request.validator
            if same or request.end is not None:
                return response, None
            response.close()  # Some services do not support If-Match.
        return await self._get_whole(request)

    async def _get_whole(self, request: Request) -> tuple[ClientResponse, StoredChecksum | None]:
        try:
            found = await self._read(request, {"x-amz-checksum-mode": "ENABLED"})
        except NotFoundError as error:
            if await self._is_prefix(request):
                raise validate.directory_error(shown_href(request.url)) from None
            raise error
        return found.response, stored_checksum(found.response.headers, found.algorithms)

    async def _is_prefix(self, request: Request) -> bool:
        """Return whether a missing object is a prefix of other objects, such as a Zarr store.

        Errors count as False, because listing often requires further permissions.
        """
        _, key = object_of(request.url)
        if PurePosixPath(key).suffix and not names_directory(request.url):
            return False
        with suppress(StacAssetError):
            prefix = key.rstrip("/") + "/"

            async def list_first(to: Connection, bucket: str, key: str, paid: bool) -> bool:
                parameters: Any = {"RequestPayer": "requester"} if paid else {}
                listed = await to.client.list_objects_v2(
                    Bucket=bucket, Prefix=prefix, MaxKeys=1, **parameters
                )
                return bool(listed.get("Contents"))

            return await self._sender.send(request, list_first)
        return False

    async def stat(self, request: Request) -> Stat:
        """Return the size and the content type that S3 reports for an object.

        The client calls head_object. If S3 refuses, the client calls get_object for one byte,
        because only responses to get_object contain the reason for a refusal.

        Args:
            request: The object.
        """
        with self.naming_credentials(request.url):
            try:
                return await self._sender.send(request, _head)
            except NotFoundError:
                if await self._is_prefix(request):
                    raise validate.directory_error(shown_href(request.url)) from None
                raise
            except (AccessError, ResponseError) as error:
                if isinstance(error, ResponseError) and error.status not in _HEAD_REFUSED_STATUSES:
                    raise
                return await self._stat_by_get(request)

    async def _stat_by_get(self, request: Request) -> Stat:
        try:
            found = (await self._read(request, {"range": "bytes=0-0"})).response
        except ResponseError as error:
            if error.status != 416:
                raise
            return Stat(size=0)  # An empty object has no first byte.
        found.close()
        extent = headers_of.extent(found, shown_href(request.url), _is_part(found))
        return Stat(extent.size, found.headers.get(hdrs.CONTENT_TYPE))

    async def _read(self, request: Request, headers: dict[str, str]) -> ObjectResponse:
        async def get(to: Connection, bucket: str, key: str, paid: bool) -> ObjectResponse:
            sent = {**headers, "x-amz-request-payer": "requester"} if paid else headers
            return await to.reader.get(bucket, key, sent, request.watched)

        found = await self._sender.send(request, get)
        response = found.response
        if response.status not in headers_of.FILE_STATUSES:
            response.close()
            raise ResponseError.of(
                response.status,
                headers_of.reason_of(response),
                shown_href(request.url),
                headers_of.retry_after(response),
                headers_of.hint_without_file(response.status),
            )
        return found

    async def close(self) -> None:
        """Close this client and all connections."""
        await self._sender.close()


def _is_unsigned(unsigned: bool | None, identity: S3Identity | None) -> bool:
    if identity is not None and not identity.is_default:
        return False
    return is_unsigned_environment() if unsigned is None else unsigned


async def _head(to: Connection, bucket: str, key: str, paid: bool) -> Stat:
    parameters: Any = {"RequestPayer": "requester"} if paid else {}
    response = await to.client.head_object(Bucket=bucket, Key=key, **parameters)
    return Stat(response.get("ContentLength"), response.get("ContentType"))


def _is_part(response: ClientResponse) -> bool:
    # Some services, such as rclone, send a part with status 200.
    return response.status == 206 or hdrs.CONTENT_RANGE in response.headers
