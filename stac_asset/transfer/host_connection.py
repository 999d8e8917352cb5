"""Internal: a connection of a download to a host, and the waits after a refusal.

`HostLimits.connection` creates the connections. Downloads and probes hold them.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from stac_asset.config import Config
from stac_asset.errors import TransferError
from stac_asset.transfer.host_state import HostState
from stac_asset.transfer.meter import Meter
from stac_asset.transfer.refusals import Refusal, is_free_retry, refusal_of
from stac_asset.transfer.retry import backoff, check_requested_wait

_FAIL_FAST_WAIT = 5.0
"""Maximum wait, in seconds, for other requests after the refusals of a download with `fail_fast`.

Without `fail_fast`, the wait does not delay the end of the run, because the other downloads go on.
"""


class HostConnection:
    """A connection to a host, held with `async with`.

    Args:
        host: The connections to the host.
        config: The waits and the number of attempts.
        slots: A further limit of connections, if any.
        meter: Counts and slows down the traffic of the connection, if any.
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
        "meter",
    )

    def __init__(
        self,
        host: HostState,
        config: Config,
        slots: AbstractAsyncContextManager[object] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter
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
        """Note that the last request and the response have ended."""
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
