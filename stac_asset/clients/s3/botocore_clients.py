"""Internal: botocore sessions and clients with the proxies and certificates of the environment.

aiobotocore is imported inside functions for import time only. Importing aiobotocore takes half as
long as importing the rest of this package.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from stac_asset.aws.route import resolve_without_sending
from stac_asset.clients.network import CertificateSources, EnvironmentConnector, Proxies
from stac_asset.clients.s3.attempts import refuse_retry
from stac_asset.clients.s3.objects import RequestTarget

if TYPE_CHECKING:
    from aiobotocore.httpsession import AIOHTTPSession
    from aiobotocore.session import AioSession
    from botocore.loaders import Loader
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_CONNECT_TIMEOUT = 30.0
"""Maximum seconds to establish a connection."""
_UNLIMITED = 0
"""Size of the connection pool. The engine limits the connections instead: while a request waits for
the engine's limit, the stall timer does not run."""

_DEFAULT_REGION = "us-east-1"
"""The region that answers requests to buckets of all regions of AWS."""

_DNS_SECONDS = 300
"""Seconds for which the addresses of a host are kept."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Retries and timeouts of S3 requests, for all regions and endpoints."""

    retry_mode: str
    """botocore's retry mode: adaptive, standard or legacy."""

    max_attempts: int
    """Maximum number of attempts of botocore to get the headers of a response."""

    read_timeout: float
    """Seconds without a byte after which an attempt fails."""

    @property
    def is_adaptive(self) -> bool:
        """Whether the request rate is limited after throttling errors."""
        return self.retry_mode == "adaptive"

    @property
    def botocore_mode(self) -> str:
        """The mode of a botocore client. `Connections` adds the limiter of the adaptive mode."""
        return "standard" if self.is_adaptive else self.retry_mode


@asynccontextmanager
async def connect(
    session: AioSession, target: RequestTarget, options: ConnectionOptions
) -> AsyncIterator[BotocoreClient]:
    """Open a botocore client for a region, endpoint and signing mode.

    The client does not send `get_object`, which only returns the request for `aws.route.resolve`.

    Args:
        session: The botocore session.
        target: The region and endpoint, and whether requests are signed.
        options: Retries and timeouts.

    Yields:
        The client.
    """
    from aiobotocore.config import AioConfig
    from botocore import UNSIGNED

    settings = _settings(options, target.endpoint)
    # `S3Client` requests checksums for whole objects only: some services send the checksum of the
    # whole object with a part.
    settings["response_checksum_validation"] = "when_required"
    if not target.signed:
        settings["signature_version"] = UNSIGNED
    _parse_dates_quickly(session)
    async with session.create_client(
        "s3",
        region_name=target.region,
        endpoint_url=target.endpoint,
        config=AioConfig(**settings),
    ) as client:
        events: Any = client.meta.events
        events.register_first("needs-retry.s3", refuse_retry)
        events.register("before-call.s3.HeadBucket", _refuse_redirect)
        resolve_without_sending(client)
        yield client


@asynccontextmanager
async def connect_for_writing(
    session: AioSession, region: str | None, endpoint: str | None, options: ConnectionOptions
) -> AsyncIterator[BotocoreClient]:
    """Open a botocore client for a destination, which also sends objects.

    Args:
        session: The botocore session.
        region: The region of the bucket. By default, that of the profile or environment.
        endpoint: The URL of an S3-compatible service. Not set for AWS.
        options: Retries and timeouts.

    Yields:
        The client.
    """
    from aiobotocore.config import AioConfig

    settings = _settings(options, endpoint)
    # The destination computes the checksums of objects and parts, which the service checks.
    settings["request_checksum_calculation"] = "when_required"
    settings["response_checksum_validation"] = "when_required"
    settings.setdefault("s3", {})["payload_signing_enabled"] = False
    async with session.create_client(
        "s3",
        region_name=region or session.get_config_variable("region") or _DEFAULT_REGION,
        endpoint_url=endpoint,
        config=AioConfig(**settings),
    ) as client:
        events: Any = client.meta.events
        events.register("before-call.s3.HeadBucket", _refuse_redirect)
        yield client


def _settings(options: ConnectionOptions, endpoint: str | None) -> dict[str, Any]:
    """Return the settings of all clients."""
    from botocore import __version__ as botocore_version

    settings: dict[str, Any] = {
        "retries": {"mode": options.botocore_mode, "total_max_attempts": options.max_attempts},
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": options.read_timeout,
        "max_pool_connections": _UNLIMITED,
        # botocore's default names the machine and its kernel, and is built for each request.
        "user_agent": f"stac-asset Botocore/{botocore_version}",
    }
    if endpoint is not None:
        # Few S3-compatible services have a host name and a certificate for each bucket.
        settings["s3"] = {"addressing_style": "path"}
    return settings


def session_without_files() -> AioSession:
    """Return a botocore session that reads no profile and no AWS configuration file."""
    from aiobotocore.session import AioSession

    unread = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = AioSession(session_vars=unread)
    use_environment(session)
    return session


def use_environment(session: AioSession) -> None:
    """Let all clients of a session use the proxies and certificates of the environment.

    This includes the clients that botocore creates to request credentials. All sessions share the
    descriptions of services that botocore reads from files.

    Args:
        session: The botocore session.
    """
    from aiobotocore.config import AioConfig

    # Without proxies for botocore, `EnvironmentConnector` selects the proxy of each request.
    config = AioConfig(http_session_cls=_http_session_class(), proxies={})
    session.set_default_client_config(config)
    session.register_component("data_loader", _loader(os.environ.get("AWS_DATA_PATH")))


@cache
def _loader(data_path: str | None) -> Loader:
    """Return the loader of botocore's data files, which keeps their content.

    By default, each session has a loader of its own, and its first client reads 2 MB of JSON, which
    takes 0.05 s of processor time.

    Args:
        data_path: Further folders of data files, as in the environment variable `AWS_DATA_PATH`.
    """
    from botocore.loaders import create_loader

    loader: Loader = create_loader(data_path)
    return loader


def _parse_dates_quickly(session: AioSession) -> None:
    """Replace botocore's slow timestamp parser by a parser of the HTTP date format.

    botocore parses the `Last-Modified` header of each response. Its own parser still reads dates in
    other formats.
    """
    from botocore.utils import parse_timestamp

    def parse(value: Any) -> datetime:
        try:
            return parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            found: datetime = parse_timestamp(value)
            return found

    # botocore has no option for the timestamp parser. Its own customizations use this component.
    factory: Any = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=parse)


def _refuse_redirect(context: dict[str, Any], **_: Any) -> None:
    """Handle botocore's `before-call` event: disable region redirects of HeadBucket requests.

    botocore sends HeadBucket to find a bucket's region, and would send another HeadBucket if that
    request is redirected too. botocore has no option for this, only a key of the request context.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


@cache
def _http_session_class() -> type[AIOHTTPSession]:
    """Return a subclass of aiobotocore's HTTP session that follows no redirects.

    The proxies and certificates are those of all clients. aiohttp would follow a `Location` header
    to any host and send the session token there. botocore handles S3's redirects itself, and signs
    a new request for the region that S3 names.
    """
    from aiobotocore.httpsession import AIOHTTPSession

    class DirectSession(AIOHTTPSession):
        # An attribute that the stubs of aiobotocore do not declare.
        _verify: bool | str

        # `http_session_cls` is a public option, but the public method `send` has no parameter for
        # redirects. `_get_session` is the only place to change the aiohttp request.
        async def _create_connector(self, proxy_url: str | None) -> Any:
            bundle = self._verify if isinstance(self._verify, str) else None
            return await new_connector(bundle)

        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)  # type: ignore[misc]
            return _WithoutRedirects(session)

    return DirectSession


async def new_connector(bundle: str | None) -> EnvironmentConnector:
    """Return a connector with the proxies and certificates of the environment.

    Args:
        bundle: The value of `AWS_CA_BUNDLE`, of `ca_bundle` in the AWS configuration files, or of
            `REQUESTS_CA_BUNDLE`, if set.
    """
    if bundle == os.environ.get("REQUESTS_CA_BUNDLE"):
        bundle = None
    certificates = CertificateSources.from_environment(AWS_CA_BUNDLE=bundle)
    await asyncio.to_thread(certificates.preload)
    return EnvironmentConnector(
        Proxies.from_environment(), certificates, limit=_UNLIMITED, ttl_dns_cache=_DNS_SECONDS
    )


class _WithoutRedirects:
    """An aiohttp session that follows no redirects."""

    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await self._session.request(*args, allow_redirects=False, **kwargs)
