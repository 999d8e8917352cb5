"""Connections to S3: a botocore client per region, endpoint and signing mode for a whole run.

`S3Client` uses `Connections`, and `AttemptLimit` for the number of botocore's own retries.

aiobotocore is imported inside functions for import time only. Importing aiobotocore takes half as
long as importing the rest of this package.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from yarl import URL

from stac_asset.clients.network import CertificateSources, EnvironmentConnector, Proxies
from stac_asset.clients.s3.objects import RequestTarget
from stac_asset.errors import TransferError

if TYPE_CHECKING:
    from aiobotocore.httpsession import AIOHTTPSession
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_CONNECT_TIMEOUT = 30.0
"""Maximum seconds to establish a connection."""
_UNLIMITED = 0
"""Size of the connection pool. The engine limits the connections instead: while a request waits for
the engine's limit, the stall timer does not run."""

_LOGGERS_OF_CREDENTIALS = tuple(
    f"{package}.{module}"
    for package in ("botocore", "aiobotocore")
    for module in ("credentials", "tokens", "utils", "httpsession", "endpoint")
)
"""Loggers of the modules that request credentials, which log errors with tracebacks."""

_single_attempt: ContextVar[bool] = ContextVar("_single_attempt", default=False)
"""Whether botocore sends the current request only once."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Retries and timeouts of S3 requests, for all regions and endpoints."""

    retry_mode: str
    """botocore's retry mode: adaptive, standard or legacy."""

    max_attempts: int
    """Maximum number of attempts of botocore to get the headers of a response."""

    read_timeout: float
    """Seconds without a byte after which an attempt fails."""


class Connections:
    """The botocore clients of an `S3Client`, created on first use and closed together."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._clients: dict[RequestTarget, BotocoreClient] = {}
        self._stack = AsyncExitStack()
        self._closed = False
        self._has_credentials: bool | None = None
        self._loaded_credentials = False

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
                    self._loaded_credentials = True
        return self._loaded_credentials

    async def client(
        self, session: AioSession, target: RequestTarget, options: ConnectionOptions
    ) -> BotocoreClient:
        """Return the botocore client for a region, endpoint and signing mode.

        Args:
            session: The botocore session that finds the credentials.
            target: The region and endpoint, and whether requests are signed.
            options: Retries and timeouts.

        Raises:
            RuntimeError: The connections are closed.
        """
        if target not in self._clients:
            async with self._lock:
                if self._closed:
                    raise RuntimeError("The S3 client is closed. Create a new client.")
                if target not in self._clients:
                    self._clients[target] = await self._connect(session, target, options)
        return self._clients[target]

    async def _connect(
        self, session: AioSession, target: RequestTarget, options: ConnectionOptions
    ) -> BotocoreClient:
        try:
            return await self._stack.enter_async_context(_connect(session, target, options))
        except Exception:
            if target.signed:
                raise
        # An invalid AWS configuration must not prevent requests that need no credentials.
        connecting = _connect(_session_without_files(), target, options)
        return await self._stack.enter_async_context(connecting)

    async def close(self) -> None:
        """Close all botocore clients."""
        async with self._lock:
            self._closed = True
            self._clients.clear()
            await self._stack.aclose()


class AttemptLimit:
    """Limit of botocore's retries for objects with failed requests.

    The engine retries downloads, and botocore retries requests inside each attempt of the engine.
    After a failed attempt, botocore sends a single request per attempt of the engine, until a
    request for the object succeeds. The two numbers of attempts then add up and do not multiply.
    """

    def __init__(self) -> None:
        self._failing: set[URL] = set()

    @contextmanager
    def with_object(self, url: URL) -> Iterator[None]:
        """Disable botocore's retries in this context if the last request for an object failed.

        Args:
            url: The URL of the object.
        """
        token = _single_attempt.set(url in self._failing)
        try:
            yield
        except TransferError as error:
            if error.transient:
                self._failing.add(url)
            raise
        finally:
            _single_attempt.reset(token)
        self._failing.discard(url)


@asynccontextmanager
async def _connect(
    session: AioSession, target: RequestTarget, options: ConnectionOptions
) -> AsyncIterator[BotocoreClient]:
    from aiobotocore.config import AioConfig
    from botocore import UNSIGNED
    from botocore import __version__ as botocore_version

    _parse_dates_quickly(session)
    settings: dict[str, Any] = {
        "retries": {"mode": options.retry_mode, "total_max_attempts": options.max_attempts},
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": options.read_timeout,
        "max_pool_connections": _UNLIMITED,
        # botocore's default names the machine and its kernel, and is built for each request.
        "user_agent": f"stac-asset Botocore/{botocore_version}",
        # `S3Client` requests checksums for whole objects only: some services send the checksum of
        # the whole object with a part.
        "response_checksum_validation": "when_required",
    }
    if not target.signed:
        settings["signature_version"] = UNSIGNED
    if target.endpoint is not None:
        # Few S3-compatible services have a host name and a certificate for each bucket.
        settings["s3"] = {"addressing_style": "path"}
    async with session.create_client(
        "s3",
        region_name=target.region,
        endpoint_url=target.endpoint,
        config=AioConfig(**settings),
    ) as client:
        events: Any = client.meta.events
        events.register_first("needs-retry.s3", _refuse_retry)
        events.register("before-call.s3.HeadBucket", _refuse_redirect)
        yield client


def _session_without_files() -> AioSession:
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

    This includes the clients that botocore creates to request credentials.

    Args:
        session: The botocore session.
    """
    from aiobotocore.config import AioConfig

    # Without proxies for botocore, `EnvironmentConnector` selects the proxy of each request.
    config = AioConfig(http_session_cls=_http_session_class(), proxies={})
    session.set_default_client_config(config)


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


def _refuse_retry(
    response: Any = None, caught_exception: Exception | None = None, **_: Any
) -> bool | None:
    """Handle botocore's `needs-retry` event.

    Returns:
        False to refuse the retry of a failed request that is sent only once, or None to leave the
        decision to botocore.
    """
    failed = caught_exception is not None or (
        response is not None and response[0].status_code >= 429
    )
    return False if failed and _single_attempt.get() else None


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
        # Attributes that the stubs of aiobotocore do not declare.
        _verify: bool | str
        _max_pool_connections: int
        _connector_args: dict[str, Any]

        # `http_session_cls` is a public option, but the public method `send` has no parameter for
        # redirects. `_get_session` is the only place to change the aiohttp request.
        async def _create_connector(self, proxy_url: str | None) -> Any:
            # The value of `AWS_CA_BUNDLE`, of `ca_bundle` in the AWS configuration files, or of
            # `REQUESTS_CA_BUNDLE`.
            bundle = self._verify if isinstance(self._verify, str) else None
            if bundle == os.environ.get("REQUESTS_CA_BUNDLE"):
                bundle = None
            certificates = CertificateSources.from_environment(AWS_CA_BUNDLE=bundle)
            await asyncio.to_thread(certificates.preload)
            return EnvironmentConnector(
                Proxies.from_environment(),
                certificates,
                limit=self._max_pool_connections,
                **self._connector_args,
            )

        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)  # type: ignore[misc]
            return _WithoutRedirects(session)

    return DirectSession


class _WithoutRedirects:
    """An aiohttp session that follows no redirects."""

    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await self._session.request(*args, allow_redirects=False, **kwargs)


def limit_botocore_logging() -> None:
    """Set botocore's loggers to INFO, because DEBUG records contain signatures and session tokens.

    A level that is set for the loggers `botocore` and `aiobotocore` themselves is kept.
    """
    for name in ("botocore", "aiobotocore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    for name in _LOGGERS_OF_CREDENTIALS:
        # Adding the same filter twice has no effect.
        logging.getLogger(name).addFilter(_remove_exception)


def _remove_exception(record: logging.LogRecord) -> bool:
    """Remove the traceback of a log record. Texts of services may repeat secrets of a request."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg = f"{record.getMessage()} ({type(error).__name__})"
        record.args = ()
    record.exc_info = record.exc_text = None
    return True
