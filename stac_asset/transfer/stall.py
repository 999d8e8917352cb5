"""Ends download attempts that receive no bytes for too long, or take too long in total."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stac_asset.errors import StalledError
from stac_asset.redact import redact_href


class StallTimer:
    """The timer of an attempt. The receiver of bytes sets `last_received` to the time of the loop.

    A new timer for each chunk would cost more than the chunk. So one timer looks at the time of the
    last chunk, and sets itself again.

    Args:
        stall_timeout: Maximum time, in seconds, without received bytes.
        total_timeout: Maximum duration, in seconds, of the attempt. None means no limit.
        timeout: The timeout of the task, which this timer lets expire.
    """

    __slots__ = (
        "_handle",
        "_started",
        "_timeout",
        "last_received",
        "loop",
        "reason",
        "stall_timeout",
        "total_timeout",
    )

    last_received: float
    """Arrival time of the last bytes, in seconds of the clock of the event loop."""

    def __init__(
        self, stall_timeout: float, total_timeout: float | None, timeout: asyncio.Timeout
    ) -> None:
        self.stall_timeout, self.total_timeout = stall_timeout, total_timeout
        self.loop = asyncio.get_running_loop()
        self.last_received = self._started = self.loop.time()
        self.reason = ""
        self._timeout = timeout
        self._handle = self.loop.call_at(self._deadline(), self._check)

    def _deadline(self) -> float:
        stalled = self.last_received + self.stall_timeout
        if self.total_timeout is None:
            return stalled
        return min(stalled, self._started + self.total_timeout)

    def _check(self) -> None:
        now = self.loop.time()
        deadline = self._deadline()
        if now < deadline:
            self._handle = self.loop.call_at(deadline, self._check)
            return
        if self.total_timeout is not None and now - self._started >= self.total_timeout:
            self.reason = f"took longer than {self.total_timeout:g} seconds"
        else:
            self.reason = f"sent nothing for {self.stall_timeout:g} seconds"
        self._timeout.reschedule(now)

    def cancel(self) -> None:
        """Stop the timer."""
        self._handle.cancel()


@asynccontextmanager
async def stall_timer(
    href: str, stall_timeout: float, total_timeout: float | None
) -> AsyncIterator[StallTimer]:
    """Limit the time of an attempt.

    Args:
        href: The href of the file, for the message.
        stall_timeout: Maximum time, in seconds, without received bytes.
        total_timeout: Maximum duration, in seconds, of the attempt. None means no limit.

    Raises:
        StalledError: A limit was exceeded.
    """
    timeout = asyncio.timeout(None)
    timer = None
    try:
        async with timeout:
            timer = StallTimer(stall_timeout, total_timeout, timeout)
            try:
                yield timer
            finally:
                timer.cancel()
    except TimeoutError:
        if timer is None or not timer.reason:
            raise
        raise StalledError(f"{redact_href(href)} {timer.reason}") from None
