"""Connects to S3: one botocore client per region, endpoint and signing, for a whole run.

aiobotocore takes half as long to import as everything else here together, so it is imported
where it is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from yarl import URL

from stac_asset.clients.s3.objects import Place
from stac_asset.errors import TransferError

if TYPE_CHECKING:
    from aiobotocore.httpsession import AIOHTTPSession
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_CONNECT_TIMEOUT = 30.0
_NO_LIMIT = 0
"""Of connections: the engine limits them, not the pool, in which a request would wait unseen."""

_once: ContextVar[bool] = ContextVar("_once", default=False)


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How requests are made, wherever they go."""

    retry_mode: str
    """botocore's retry mode: adaptive, standard or legacy."""

    max_attempts: int
    """How often botocore asks in all for the headers of a response."""

    read_timeout: float
    """Seconds without a byte after which an attempt is given up."""


class Connections:
    """The botocore clients of one of ours, made when first wanted, and closed together."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._clients: dict[Place, BotocoreClient] = {}
        self._stack = AsyncExitStack()
        self._closed = False
        self._signs: bool | None = None

    async def finds_credentials(self, session: AioSession) -> bool:
        """Returns whether there are credentials: the search may take seconds, so there is one.

        Args:
            session: What finds them.
        """
        if self._signs is None:
            async with self._lock:
                if self._signs is None:
                    self._signs = await session.get_credentials() is not None
        return self._signs

    async def client(
        self, session: AioSession, place: Place, options: ConnectionOptions
    ) -> BotocoreClient:
        """Returns the client of a place.

        Args:
            session: What finds the credentials.
            place: Where the requests go.
            options: How they are made.

        Raises:
            RuntimeError: These connections are closed.
        """
        if place not in self._clients:
            async with self._lock:
                if self._closed:
                    raise RuntimeError("the S3 client is closed")
                if place not in self._clients:
                    connecting = _connect(session, place, options)
                    self._clients[place] = await self._stack.enter_async_context(connecting)
        return self._clients[place]

    async def close(self) -> None:
        """Closes all of them."""
        async with self._lock:
            self._closed = True
            self._clients.clear()
            await self._stack.aclose()


class AttemptLimit:
    """Remembers for which objects botocore has used up its attempts.

    The attempts of the engine are around botocore's. So that they add up and do not multiply,
    such an object is asked for once per further attempt, until it answers.
    """

    def __init__(self) -> None:
        self._failing: set[URL] = set()

    @contextmanager
    def with_object(self, url: URL) -> Iterator[None]:
        """Keeps botocore from repeating what is asked inside, if it did so before in vain.

        Args:
            url: The object.
        """
        token = _once.set(url in self._failing)
        try:
            yield
        except TransferError as error:
            if error.transient:
                self._failing.add(url)
            raise
        finally:
            _once.reset(token)
        self._failing.discard(url)


@asynccontextmanager
async def _connect(
    session: AioSession, place: Place, options: ConnectionOptions
) -> AsyncIterator[BotocoreClient]:
    from aiobotocore.config import AioConfig
    from botocore import UNSIGNED
    from botocore import __version__ as botocore_version

    _parse_dates_quickly(session)
    settings: dict[str, Any] = {
        "retries": {"mode": options.retry_mode, "total_max_attempts": options.max_attempts},
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": options.read_timeout,
        "max_pool_connections": _NO_LIMIT,
        "http_session_cls": _http_session_class(),
        # botocore's own, which names the machine and its kernel, is made anew for each request.
        "user_agent": f"stac-asset Botocore/{botocore_version}",
        # Asked for where it fits: some services send the whole object's checksum with a part.
        "response_checksum_validation": "when_required",
    }
    if not place.signed:
        settings["signature_version"] = UNSIGNED
    if place.endpoint is not None:
        # Few services of others have a host name, and a certificate, for each bucket.
        settings["s3"] = {"addressing_style": "path"}
    async with session.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        config=AioConfig(**settings),
    ) as client:
        events: Any = client.meta.events
        events.register_first("needs-retry.s3", _refuse_retry)
        events.register("before-call.s3.HeadBucket", _refuse_redirect)
        yield client


def _parse_dates_quickly(session: AioSession) -> None:
    """Spares each answer the parser of all formats for its `Last-Modified`, which is of one."""
    from botocore.utils import parse_timestamp

    def parse(value: Any) -> datetime:
        try:
            return parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            found: datetime = parse_timestamp(value)
            return found

    factory: Any = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=parse)


def _refuse_retry(
    response: Any = None, caught_exception: Exception | None = None, **_: Any
) -> bool | None:
    """Answers botocore's question whether to repeat a request; None leaves it to the others."""
    failed = caught_exception is not None or (
        response is not None and response[0].status_code >= 429
    )
    return False if failed and _once.get() else None


def _refuse_redirect(context: dict[str, Any], **_: Any) -> None:
    """Keeps botocore from asking again for a bucket's region where that is redirected too."""
    context.setdefault("s3_redirect", {})["redirected"] = True


@cache
def _http_session_class() -> type[AIOHTTPSession]:
    """Returns aiobotocore's HTTP session, without redirects by `Location`.

    aiohttp would follow them, to any host, with the session token among the headers. What S3
    means by a redirect, botocore knows better: it signs anew for the region that S3 names.
    """
    from aiobotocore.httpsession import AIOHTTPSession

    class Direct(AIOHTTPSession):
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)  # type: ignore[misc]
            return _WithoutRedirects(session)

    return Direct


class _WithoutRedirects:
    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await self._session.request(*args, allow_redirects=False, **kwargs)


def quieten_botocore() -> None:
    """Keeps what botocore says at DEBUG from loggers above it: signatures and session tokens.

    Whoever wants it all the same sets a level for the logger `botocore` itself.
    """
    for name in ("botocore", "aiobotocore"):
        found = logging.getLogger(name)
        if found.level == logging.NOTSET:
            found.setLevel(logging.INFO)
