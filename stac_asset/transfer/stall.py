"""Ends download attempts that receive no bytes for too long, or take too long in total."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from stac_asset.errors import StalledError
from stac_asset.redact import redact_href


class StallTimer:
    """Limits the time of an attempt: `async with StallTimer(…) as timer`.

    The receiver of bytes sets `last_received` to the time of the loop. A new timer for each chunk
    would cost more than the chunk. Instead, a single timer checks the arrival time of the last
    chunk, and reschedules itself.

    Args:
        href: The href of the file, for the message.
        stall_timeout: Maximum time, in seconds, without received bytes.
        total_timeout: Maximum duration, in seconds, of the attempt. None means no limit.

    Raises:
        StalledError: A limit was exceeded.
    """

    __slots__ = (
        "_handle",
        "_href",
        "_reason",
        "_started",
        "_timeout",
        "last_received",
        "loop",
        "stall_timeout",
        "total_timeout",
    )

    last_received: float
    """Arrival time of the last bytes, in seconds of the clock of the event loop."""

    def __init__(self, href: str, stall_timeout: float, total_timeout: float | None) -> None:
        self._href = href
        self.stall_timeout, self.total_timeout = stall_timeout, total_timeout
        self._reason = ""

    async def __aenter__(self) -> Self:
        self._timeout = asyncio.timeout(None)
        await self._timeout.__aenter__()
        self.loop = asyncio.get_running_loop()
        self.last_received = self._started = self.loop.time()
        self._handle = self.loop.call_at(self._deadline(), self._check)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        try:
            await self._timeout.__aexit__(exc_type, error, traceback)
        except TimeoutError:
            if not self._reason:
                raise
            raise StalledError(f"{redact_href(self._href)} {self._reason}") from None

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
            self._reason = (
                f"took longer than {self.total_timeout:g} seconds. Increase `http_client_timeout`."
            )
        else:
            self._reason = (
                f"sent no bytes for {self.stall_timeout:g} seconds. Increase `http_read_timeout`."
            )
        self._timeout.reschedule(now)
