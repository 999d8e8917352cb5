"""Internal: the connections of a run to each host, and the waits that hosts request.

The engine and the probes of a run share one `HostLimits`. The tasks of a flow run share it across
event loops. The decisions are made by `refusals`.

- A host that refuses connections gets fewer connections, and later a few more again.
- A host that requests a wait gets no request from any download until the wait is over.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self

from yarl import URL

from stac_asset.concurrency import CrossLoopSemaphore
from stac_asset.config import Config
from stac_asset.errors import RateLimitError, TransferError
from stac_asset.notices import notice
from stac_asset.transfer.known_hosts import endpoint_of, known_service, max_connections
from stac_asset.transfer.refusals import ConnectionLimit, Refusal, is_free_retry, refusal_of
from stac_asset.transfer.retry import backoff, check_requested_wait
from stac_asset.types import Storage

logger = logging.getLogger(__name__)

_RECENT = 10.0
"""Seconds for which a success of another download counts as just before."""

_POLL = 0.02
"""Seconds between two looks at the pending requests to a host."""

_FAIL_FAST_WAIT = 5.0
"""Maximum wait, in seconds, for other requests after the refusals of a download with `fail_fast`.

Without `fail_fast`, the wait does not delay the end of the run, because the other downloads go on.
"""

_LOGGED_WAIT = 2.0
"""Minimum wait, in seconds, that is logged."""


class HostLimits:
    """The connections of a run to all hosts.

    Args:
        config: The limits of connections, the waits and the number of attempts.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._hosts: dict[tuple[str, str | None], _Host] = {}
        self._services: dict[str, _Host] = {}

    def connection(
        self,
        host: str,
        endpoint: str | None = None,
        slots: AbstractAsyncContextManager[object] | None = None,
    ) -> HostConnection:
        """Return a connection to a host, which is opened with `async with`.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
            slots: A further limit of connections.
        """
        found = self._hosts.get((host, endpoint))
        if found is None:
            service = known_service(endpoint or host)
            name = service.name if service is not None else host
            maximum = max_connections(self._config, host, endpoint)
            found = self._services.setdefault(name, _Host(name, maximum, self._config))
            found = self._hosts.setdefault((host, endpoint), found)
        return HostConnection(found, self._config, slots)


class OpenConnection(Protocol):
    """Returns a connection to a host, such as `HostLimits.connection`."""

    def __call__(self, host: str, endpoint: str | None = None) -> HostConnection:
        """Return a connection.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
        """


def connection_to(
    url: URL, storage: Storage | None, client: object, connect: OpenConnection
) -> HostConnection | None:
    """Return the connection for a URL, or None for a URL without a host.

    Args:
        url: The URL.
        storage: The object store of the asset, if the item declares the store.
        client: The client of the URL.
        connect: Returns the connection to a host.
    """
    return connect(url.host, endpoint_of(url, storage, client)) if url.host else None


class _Host:
    """The connections to a host, and the end of the wait that the host requested."""

    def __init__(self, name: str, maximum: int, config: Config) -> None:
        self.name = name
        self.slots = CrossLoopSemaphore(maximum)
        self.limit = ConnectionLimit(maximum, maximum)
        self.generation = 0
        """Number of times that the limit was lowered."""
        self.pending = 0
        """Number of requests without a response."""
        self.answering = 0
        """Number of connections whose response is being received."""
        self.most_answering = 0
        """Maximum of `answering` so far."""
        self.successes = 0
        self.last_refused: object = None
        """The download with the last refusal."""
        self.until = 0.0
        """End of the requested wait, on the monotonic clock, or 0."""
        self.last: tuple[object, float] = (None, -_RECENT)
        """The download with the last success, and the time of this success."""
        self.previous: tuple[object, float] = (None, -_RECENT)
        """The last success of a download other than that of `last`."""
        self._maximum_wait = config.host_wait_max
        self._read_timeout = config.http_read_timeout
        self._lock = threading.Lock()

    async def acquire(self) -> None:
        """Wait for a free connection, and for the end of a requested wait."""
        await self.slots.acquire()
        if self.until:
            try:
                await self._rest()
            except BaseException:
                self.slots.release()
                raise

    async def _rest(self) -> None:
        while (left := self.until - time.monotonic()) > 0:
            if left > self._maximum_wait:
                raise RateLimitError(
                    f"host '{self.name}' asks for a wait of another {left:,.0f} seconds, which "
                    f"exceeds `host_wait_max` ({self._maximum_wait:g} seconds). Try again later, "
                    "or increase `host_wait_max`."
                )
            await asyncio.sleep(left)

    def count(self, pending: int, answering: int) -> None:
        """Change the numbers of pending requests and of responses that are being received."""
        with self._lock:
            self.pending += pending
            self.answering += answering

    def succeeded(self, download: object) -> None:
        """Note that the host answers a request.

        Args:
            download: Identifies the download.
        """
        now = time.monotonic()
        with self._lock:
            self.pending -= 1
            self.answering += 1
            self.most_answering = max(self.most_answering, self.answering)
            self.successes += 1
            if self.last[0] is not download:
                self.previous = self.last
            self.last = (download, now)
            if self.limit.is_watched:
                self._change(self.limit.after_success())

    def serves_others(self, download: object) -> bool:
        """Return whether the host serves another download, or did so just before.

        Args:
            download: Identifies the download.
        """
        last = self.previous if self.last[0] is download else self.last
        return self.answering > 0 or time.monotonic() - last[1] < _RECENT

    async def until_known(self, seen: int, download: object, seconds: float) -> None:
        """Wait until the host has answered another request, or until no request is pending.

        A host refuses connections immediately, and may take longer to answer the others. The wait
        ends after the read timeout, when the pending requests have failed.

        Args:
            seen: Number of successes that are known already.
            download: Identifies the refused download.
            seconds: Maximum wait.
        """
        end = time.monotonic() + min(seconds, self._read_timeout)
        # Polling, because the other requests may be in other event loops.
        while self.pending > 0 and not (self.has_progressed(seen) and self.serves_others(download)):
            if time.monotonic() > end:
                break
            await asyncio.sleep(_POLL)

    async def until_fewer_answering(self, seconds: float) -> None:
        """Wait until one of the responses that are being received has ended.

        Args:
            seconds: Maximum wait.
        """
        before, turnover = self.answering, self.successes + self.answering
        end = time.monotonic() + seconds
        # Polling, because the responses may be received in other event loops.
        while self.answering >= before > 0 and self.successes < turnover:
            if time.monotonic() > end:
                break
            await asyncio.sleep(_POLL)

    def has_progressed(self, seen: int) -> bool:
        """Return whether the host serves requests.

        Args:
            seen: Number of successes before.
        """
        return self.successes > seen or self.answering > 0

    def refused(self, error: TransferError, refusal: Refusal, sent: int, download: object) -> None:
        """Lower the limit if the host refuses many connections, and note a requested wait.

        Args:
            error: The error of the request.
            refusal: The kind of the refusal.
            sent: The generation in which the request was sent. A refusal from before the limit
                was lowered does not lower the limit again.
            download: Identifies the download.
        """
        # A host that serves no other request, or refuses one file only, has another reason.
        is_limit = refusal is Refusal.LIMIT or (
            self.serves_others(download) and self.last_refused is not download
        )
        self.last_refused = download
        with self._lock:
            if is_limit and sent == self.generation:
                self._lower()
        if error.retry_after:
            self.rest(error.retry_after, error.message)

    def rest(self, wait: float, reason: str) -> None:
        """Send no request until the end of a wait that the host requests.

        Args:
            wait: The wait, in seconds.
            reason: The reason, for the log.
        """
        now = time.monotonic()
        with self._lock:
            if wait > _LOGGED_WAIT and now + wait > self.until + _LOGGED_WAIT:
                self._log_wait(reason, wait)
            self.until = max(self.until, now + wait)

    def _lower(self) -> None:
        before = self.limit.current
        self._change(self.limit.after_refusal(self.slots.held, self.answering))
        if self.limit.current < before:
            self.generation += 1
            notice(
                "A host refused connections, so fewer were used at the same time",
                f"host '{self.name}'",
            )
            logger.info(
                "Host '%s' refuses connections: %d are used at the same time instead of %d",
                self.name,
                self.limit.current,
                before,
            )

    def _log_wait(self, reason: str, wait: float) -> None:
        if wait <= self._maximum_wait:
            logger.warning(
                "Host '%s' asks for a wait of %.0f seconds: no request is sent until then (%s)",
                self.name,
                wait,
                reason,
            )

    def _change(self, limit: ConnectionLimit) -> None:
        resized = limit.current != self.limit.current
        self.limit = limit
        if resized:
            self.slots.resize(limit.current)


class HostConnection:
    """A connection to a host, held with `async with`.

    Args:
        host: The connections to the host.
        config: The waits and the number of attempts.
        slots: A further limit of connections, if any.
    """

    __slots__ = (
        "_answering",
        "_config",
        "_deadline",
        "_errors",
        "_free",
        "_generation",
        "_held",
        "_host",
        "_pending",
        "_seen",
        "_slots",
    )

    def __init__(
        self, host: _Host, config: Config, slots: AbstractAsyncContextManager[object] | None = None
    ) -> None:
        self._host = host
        self._config = config
        self._slots = slots
        self._held = self._pending = self._answering = False
        self._deadline: float | None = None
        """End of the waits for other requests, after the first refusal."""
        self._errors = 0
        """Number of failed requests of this connection."""
        self._free = 0
        """Number of refusals that were not counted as attempts."""
        self._seen = 0
        """Number of successes of the host at the last refusal of this connection."""
        self._generation = 0
        """Generation of the limit in which the last request was sent."""

    async def __aenter__(self) -> Self:
        if self._slots is not None:
            await self._slots.__aenter__()
        try:
            await self._acquire()
        except BaseException:
            if self._slots is not None:
                await self._slots.__aexit__(None, None, None)
            raise
        self._seen = self._host.successes
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()
        if self._slots is not None:
            await self._slots.__aexit__(None, None, None)

    async def _acquire(self) -> None:
        await self._host.acquire()
        self._held = True

    def _release(self) -> None:
        self.end_request()
        if self._held:
            self._held = False
            self._host.slots.release()

    @property
    def free_connections(self) -> int:
        """Number of further connections that the limit of the host admits now."""
        return self._host.slots.free

    async def begin_request(self) -> None:
        """Wait until a request may be sent, and note that the request is sent."""
        host = self._host
        if host.slots.is_exceeded or host.until > time.monotonic():
            self._release()
        if not self._held:
            await self._acquire()
        self._generation = host.generation
        self._pending = True
        host.count(1, 0)

    def begin_response(self, download: object, wait: float | None = None) -> None:
        """Note that the host sends the file or a range.

        Args:
            download: Identifies the download.
            wait: Seconds without a further request that the host asks for. Waits above
                `Config.host_wait_max` are ignored, because the host may serve further requests.
        """
        if self._pending:
            self._pending, self._answering = False, True
            self._host.succeeded(download)
            if wait and wait <= self._config.host_wait_max:
                self._host.rest(wait, "no request is left in the limit that the host reports")

    def end_request(self) -> None:
        """Note that the last request and its response have ended."""
        if self._pending or self._answering:
            self._host.count(-int(self._pending), -int(self._answering))
            self._pending = self._answering = False

    def give_way(self, download: object) -> None:
        """Let other downloads use the connection during the wait before the next attempt.

        The first wait is short, and the host may refuse all downloads. So the connection is kept
        once, unless the host serves others.

        Args:
            download: Identifies the download.
        """
        self.end_request()
        self._errors += 1
        host = self._host
        if self._errors > 1 or host.slots.is_exceeded or host.serves_others(download):
            self._release()

    def refused(self, error: Exception, download: object) -> None:
        """Note the error of a request that is not repeated, such as that of a further range.

        Args:
            error: The error.
            download: Identifies the download.
        """
        refusal = refusal_of(error)
        if refusal is not None and isinstance(error, TransferError):
            self._host.refused(error, refusal, self._generation, download)

    async def waits_after(self, error: Exception, download: object) -> bool:
        """Wait after a refusal, and return whether the request is repeated without being counted.

        Other downloads can use the connection during the wait, see `give_way`. After 403, which is
        repeated a few times only, the connection is given up if the host allows fewer.

        Args:
            error: The error of a request that received no byte.
            download: Identifies the download.

        Raises:
            RateLimitError: The host asks for a longer wait than `Config.host_wait_max`.
        """
        self.end_request()
        refusal = refusal_of(error)
        if refusal is None or not isinstance(error, TransferError):
            self.give_way(download)
            return False
        host, config = self._host, self._config
        if self._deadline is None:
            self._deadline = time.monotonic() + (_FAIL_FAST_WAIT if config.fail_fast else math.inf)
        await host.until_known(self._seen, download, self._deadline - time.monotonic())
        host.refused(error, refusal, self._generation, download)
        check_requested_wait(config, error)
        serves_others = host.serves_others(download)
        is_free = is_free_retry(
            refusal,
            is_limiting=host.limit.is_limiting,
            has_progressed=host.has_progressed(self._seen),
            serves_others=serves_others,
            fills_host=0 < host.answering >= host.most_answering,
            free_before=self._free,
            max_attempts=config.http_max_attempts,
        )
        self._seen = host.successes
        if refusal is not Refusal.FORBIDDEN:
            self.give_way(download)
        elif host.slots.is_exceeded:
            self._release()
        if is_free:
            self._free += 1
            # A refused connection succeeds as soon as others end, so 403 needs no long waits.
            attempt = self._free
            if refusal is Refusal.FORBIDDEN:
                attempt = min(attempt, 3)
                if self._free > 1:
                    await host.until_fewer_answering(self._deadline - time.monotonic())
            await asyncio.sleep(random.uniform(0, backoff(config, attempt)))
            if not self._held:
                await self._acquire()
        return is_free
