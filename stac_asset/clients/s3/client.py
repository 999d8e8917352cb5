"""S3, and the services of others that speak its language.

Requests are signed where credentials are found, and unsigned otherwise: that is what public
buckets need, and private ones too. Where the credentials come from is botocore's matter:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from yarl import URL

from stac_asset import validate
from stac_asset.clients.base import RangeClient
from stac_asset.clients.s3.connections import (
    AttemptLimit,
    ConnectionOptions,
    Connections,
    quieten_botocore,
)
from stac_asset.clients.s3.errors import asked_how, mapped_errors
from stac_asset.clients.s3.identity import S3Identity, S3Place
from stac_asset.clients.s3.objects import (
    endpoint_of,
    extent_of,
    object_of,
    place_of,
    shown_href,
    validator_of,
)
from stac_asset.config import (
    DEFAULT_S3_MAX_ATTEMPTS,
    DEFAULT_S3_REGION_NAME,
    DEFAULT_S3_RETRY_MODE,
    Config,
)
from stac_asset.errors import (
    AccessError,
    ConfigError,
    MissingCredentialError,
    ResponseError,
)
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat

if TYPE_CHECKING:
    from aiobotocore.session import AioSession


_BLOCK = 1024 * 1024
"""How much is read at most of what has arrived; nothing waits until it is so much."""
_HEAD_REFUSED = frozenset({400, 405, 501})


class S3Client(RangeClient):
    """A client for interacting with s3 urls.

    To use the requester_pays option, you need to configure your AWS credentials. See the AWS
    documentation for instructions.

    botocore asks up to `max_attempts` times for the headers of an object. The engine's attempts
    are around that; so that both do not multiply, each further one asks once, until it answers.

    Args:
        requester_pays: If true, whoever the credentials belong to pays for what is read.
        region_name: The region of buckets of which the item does not say one.
        retry_mode: The retry mode, one of adaptive, legacy, or standard.
        max_attempts: The maximum number of attempts.
        endpoint_url: The URL of an S3-compatible service to use instead of AWS. Credentials go
            to it, and to no other one that an item names.
        check_content_type: If true, a content type that the asset does not expect is an error;
            if false, it is logged as a warning.
        read_timeout: Seconds without a byte after which an attempt is given up.
        identity: Who signs requests; by default whoever botocore finds.
        buckets: What this client claims: buckets, and prefixes in them (`bucket/prefix`); all
            hrefs of S3 by default.

    Raises:
        ConfigError: The endpoint is no URL, or one of the buckets is none.
    """

    name = "s3"

    session: AioSession
    """The session that will be used for all s3 requests."""

    region_name: str
    """The region that all clients will be rooted in, unless the item says another one."""

    requester_pays: bool
    """If True, enable access to requester pays buckets."""

    retry_mode: str
    """The retry mode, one of adaptive, legacy, or standard."""

    max_attempts: int
    """The maximum number of attempts."""

    endpoint_url: str | None
    """The URL of an S3-compatible service to use instead of AWS."""

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
    ) -> None:
        if endpoint_url is not None and endpoint_of(endpoint_url) is None:
            raise ConfigError(f"the S3 endpoint '{redact_href(endpoint_url)}' is no http(s) URL")
        self._places = tuple(S3Place.parse(bucket) for bucket in buckets)
        self.session = (identity or S3Identity()).session(region_name)
        quieten_botocore()
        self.region_name = region_name
        self.requester_pays = requester_pays
        self.retry_mode = retry_mode
        self.max_attempts = max_attempts
        self.endpoint_url = endpoint_url
        self.check_content_type = check_content_type
        self.read_timeout = read_timeout
        self._connections = Connections()
        self._patience = AttemptLimit()

    @classmethod
    async def from_config(
        cls, config: Config, identity: S3Identity | None = None, buckets: Iterable[str] = ()
    ) -> Self:
        """Creates an s3 client from a config.

        Args:
            config: The config object
            identity: Who signs requests; by default whoever botocore finds.
            buckets: The buckets, and prefixes in them, that it claims; by default all.
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
        )
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Returns whether a url is of S3, and in the buckets that this client is for.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return super().claims(url) and (
            not self._places or any(url in place for place in self._places)
        )

    async def check(self, request: Request) -> None:
        """Makes sure that there are credentials for an object that requesters pay for.

        Args:
            request: What is going to be asked for.

        Raises:
            MissingCredentialError: There are none.
        """
        place = place_of(request.storage, self.region_name, self.endpoint_url)
        pays = request.storage is not None and request.storage.requester_pays
        if not place.signed or not (self.requester_pays or pays):
            return
        shown = shown_href(request.url)
        with mapped_errors(shown):
            signs = await self._connections.finds_credentials(self.session)
        if not signs:
            raise MissingCredentialError(
                f"requesters pay for {shown}, and no AWS credentials were found: configure some"
            )

    async def has_credentials(self) -> bool:
        """Returns true if the sessions has credentials."""
        return await self.session.get_credentials() is not None

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Opens an s3 url, from the request's offset on.

        Args:
            request: What is wanted.

        Raises:
            SchemeError: Raised if the url's scheme is not s3
            ContentTypeError: The object has not the content type that the asset says.
        """
        with self.naming_credentials(request.url):
            found = await self._get(request)
            body = found["Body"]
            try:
                validate.check_content_type(
                    found.get("ContentType"),
                    request.content_type,
                    self.check_content_type,
                    shown_href(request.url),
                )
                offset, end, size = extent_of(found, request.url)
                chunks = _chunks(body, request.url)
                # Pieces would go without the checksum that S3 has of the whole.
                ranges = not any(name.startswith("Checksum") for name in found)
                yield Response(chunks, offset, size, validator_of(found), ranges, end)
            finally:
                body.close()

    async def _get(self, request: Request) -> dict[str, Any]:
        if not request.validator or not (request.offset or request.end):
            return await self._get_whole(request)
        last = "" if request.end is None else request.end - 1
        ask = {"Range": f"bytes={request.offset}-{last}", "IfMatch": request.validator}
        try:
            found = await self._call("get_object", request, **ask)
        except ResponseError as error:
            # It changed, or what is here is as long as what is there: start over.
            if error.status not in (412, 416) or request.end is not None:
                raise
        else:
            same = "ContentRange" not in found or validator_of(found) == request.validator
            if same or request.end is not None:
                return found
            found["Body"].close()  # Some services have never heard of If-Match.
        return await self._get_whole(request)

    async def _get_whole(self, request: Request) -> dict[str, Any]:
        # Where S3 has the object's checksum, botocore compares it with the bytes.
        return await self._call("get_object", request, ChecksumMode="ENABLED")

    async def stat(self, request: Request) -> Stat:
        """Returns what S3 says of an object.

        Uses head_object, and where that is refused, which comes without a reason, get_object.

        Args:
            request: What is meant.
        """
        with self.naming_credentials(request.url):
            try:
                found = await self._call("head_object", request)
            except (AccessError, ResponseError) as error:
                if isinstance(error, ResponseError) and error.status not in _HEAD_REFUSED:
                    raise
                return await self._stat_by_get(request)
            return Stat(found.get("ContentLength"), found.get("ContentType"))

    async def _stat_by_get(self, request: Request) -> Stat:
        try:
            found = await self._call("get_object", request, Range="bytes=0-0")
        except ResponseError as error:
            if error.status != 416:
                raise
            return Stat(size=0)  # An object of no bytes has no first one.
        found["Body"].close()
        return Stat(extent_of(found, request.url).size, found.get("ContentType"))

    async def _call(self, operation: str, request: Request, **ask: str) -> dict[str, Any]:
        shown = shown_href(request.url)
        bucket, key = object_of(request.url)
        place = place_of(request.storage, self.region_name, self.endpoint_url)
        with mapped_errors(shown):
            signs = place.signed and await self._connections.finds_credentials(self.session)
        if self.requester_pays and place.signed:
            if not signs:
                raise AccessError(
                    f"{shown} cannot be paid for by the requester, as no AWS credentials were "
                    "found: configure some, or set requester pays to False"
                )
            ask["RequestPayer"] = "requester"
        asked = asked_how(place, signs, request.storage, self.requester_pays)
        options = ConnectionOptions(self.retry_mode, self.max_attempts, self.read_timeout)
        with self._patience.with_object(request.url), mapped_errors(shown, asked):
            where = replace(place, signed=signs)
            client = await self._connections.client(self.session, where, options)
            found: dict[str, Any] = await getattr(client, operation)(Bucket=bucket, Key=key, **ask)
            return found

    async def close(self) -> None:
        """Close this s3 client, and all connections with it."""
        await self._connections.close()


async def _chunks(body: Any, url: URL) -> AsyncIterator[bytes]:
    with mapped_errors(shown_href(url)):
        async for chunk in body.iter_chunks(_BLOCK):
            yield chunk
