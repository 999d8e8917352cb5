"""Ends download attempts that receive no bytes for too long, or take too long in total."""

from __future__ import annotations

import asyncio
import math
import threading
from types import TracebackType
from typing import Self

from stac_asset.errors import StalledError
from stac_asset.redact import redact_href


class StallTimer:
    """Limits the time of an attempt: `with StallTimer(…) as timer`, in a task.

    The receiver of bytes sets `last_received` to the time of the loop. As with `asyncio.timeout`,
    an exceeded limit cancels the task. A cancellation by another caller has precedence.

    Args:
        href: The href of the file, for the message.
        stall_timeout: Maximum time, in seconds, without received bytes.
        total_timeout: Maximum duration, in seconds, of the attempt. None means no limit.

    Raises:
        StalledError: A limit was exceeded.
    """

    __slots__ = (
        "_cancelling",
        "_href",
        "_loop_timer",
        "_reason",
        "_started",
        "_task",
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

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "an attempt runs in a task"
        self._task, self._cancelling = task, task.cancelling()
        self.loop = task.get_loop()
        self.last_received = self._started = self.loop.time()
        self._loop_timer = _loop_timer(self.loop)
        self._loop_timer.add(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop_timer.remove(self)
        if not self._reason:
            return
        is_last = self._task.uncancel() <= self._cancelling
        if is_last and exc_type is asyncio.CancelledError:
            raise StalledError(f"{redact_href(self._href)} {self._reason}") from None

    def suspend(self) -> None:
        """Stop the limits while no bytes can be received."""
        self._loop_timer.remove(self)

    def resume(self, waited: float | None = None) -> None:
        """Start the limits again, after `suspend`.

        Args:
            waited: Duration of a wait in seconds, by which the total time is extended. By default,
                the total time starts again.
        """
        now = self.loop.time()
        self._started = now if waited is None else self._started + waited
        self.last_received = now
        self._loop_timer = _loop_timer(self.loop)
        self._loop_timer.add(self)

    def deadline(self) -> float:
        """Return the time of the loop at which a limit is exceeded if no further bytes arrive."""
        if self._reason:
            return math.inf
        stalled = self.last_received + self.stall_timeout
        if self.total_timeout is None:
            return stalled
        return min(stalled, self._started + self.total_timeout)

    def check(self, now: float) -> None:
        """Cancel the attempt if a limit is exceeded.

        Args:
            now: The time of the loop.
        """
        if now < self.deadline():
            return
        if self.total_timeout is not None and now - self._started >= self.total_timeout:
            self._reason = (
                f"took longer than {self.total_timeout:g} seconds. Increase `http_client_timeout`."
            )
        else:
            self._reason = (
                f"sent no bytes for {self.stall_timeout:g} seconds. Increase `http_read_timeout`."
            )
        self._task.cancel()


class _LoopTimer:
    """The timer of all attempts of an event loop.

    A timer for each attempt would cost 1 % of a small file, and a timer for each chunk more than
    the chunk. The attempts have similar limits, so a new attempt rarely needs an earlier check.
    """

    __slots__ = ("_attempts", "_handle", "_next", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._attempts: set[StallTimer] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._next = math.inf
        """Time of the next check."""

    def add(self, attempt: StallTimer) -> None:
        self._attempts.add(attempt)
        self._check_at(attempt.deadline())

    def remove(self, attempt: StallTimer) -> None:
        self._attempts.discard(attempt)
        if not self._attempts:
            self._cancel()
            if getattr(_of_thread, "timer", None) is self:
                _of_thread.timer = None  # The loop may be closed before the next attempt.

    def _check_at(self, time: float) -> None:
        if time < self._next:
            self._cancel()
            self._next = time
            self._handle = self.loop.call_at(time, self._check)

    def _check(self) -> None:
        self._cancel()
        now = self.loop.time()
        for attempt in tuple(self._attempts):  # A cancellation may end an attempt immediately.
            attempt.check(now)
        self._check_at(min((attempt.deadline() for attempt in self._attempts), default=math.inf))

    def _cancel(self) -> None:
        self._next = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


_of_thread = threading.local()
"""The timer of the event loop that runs in a thread, if attempts are in progress."""


def _loop_timer(loop: asyncio.AbstractEventLoop) -> _LoopTimer:
    found: _LoopTimer | None = getattr(_of_thread, "timer", None)
    if found is None or found.loop is not loop:
        found = _of_thread.timer = _LoopTimer(loop)
    return found
