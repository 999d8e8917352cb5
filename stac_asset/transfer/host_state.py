"""Internal: the state of a host that the connections of all downloads share.

`HostLimits` creates a `HostState` for each host. A `HostConnection` reports its requests to the
`HostState`. The connections may belong to several event loops.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from stac_asset.concurrency import CrossLoopSemaphore
from stac_asset.config import Config
from stac_asset.errors import RateLimitError, TransferError
from stac_asset.notices import notice
from stac_asset.transfer.refusals import ConnectionLimit, Refusal

logger = logging.getLogger(__name__)

_RECENT = 10.0
"""Seconds for which a success of another download counts as just before."""

_POLL = 0.02
"""Seconds between two looks at the pending requests to a host."""

_LOGGED_WAIT = 2.0
"""Minimum wait, in seconds, that is logged."""


class HostState:
    """The connections to a host, and the end of the wait that the host requested.

    Args:
        name: The name of the host or of its service, for messages.
        maximum: Maximum number of connections.
        config: The read timeout, in seconds, and the maximum of a requested wait.
    """

    def __init__(self, name: str, maximum: int, config: Config) -> None:
        self.name = name
        self.slots = CrossLoopSemaphore(maximum)
        self.limit = ConnectionLimit(maximum, maximum)
        self.generation = 0
        """Number of times that the limit was lowered."""
        self.pending = 0
        """Number of requests without a response."""
        self.answering = 0
        """Number of connections with a response that is being received."""
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
        """Wait until a response that is being received has ended.

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
