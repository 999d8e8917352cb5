"""Ends attempts that receive nothing for too long, or take too long in all.

One timer watches all of them: a timer for each chunk would cost more than the chunk.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from stac_asset.errors import StalledError
from stac_asset.redact import redact_href

_CHECKS = 8
"""How often the limit of silence is divided by the time between two looks."""

_SELDOM = 1.0
"""Seconds between two looks, at most."""


class Watchdog:
    """Watches the attempts of a run.

    Args:
        patience: Seconds without a byte after which an attempt ends.
        total: Seconds after which it ends in any case, if there is such a limit.
    """

    def __init__(self, patience: float, total: float | None) -> None:
        self.patience = patience
        self.total = total
        self._every = min(_SELDOM, min(patience, total or patience) / _CHECKS)
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, href: str) -> Watch:
        """Returns a context manager, inside of which an attempt is watched.

        Args:
            href: What is fetched.
        """
        return Watch(self, href)

    def add(self, watch: Watch) -> None:
        """Begins to watch."""
        self._watches.add(watch)
        if self._timer is None:
            self._timer = watch.loop.call_later(self._every, self._look, watch.loop)

    def remove(self, watch: Watch) -> None:
        """Looks away."""
        self._watches.discard(watch)
        if not self._watches and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for watch in self._watches:
            watch.look(now)
        self._timer = loop.call_later(self._every, self._look, loop)


class Watch:
    """One attempt; whoever receives bytes says so by setting `heard` to the loop's time.

    It ends its task's attempt as `asyncio.timeout` does, but without a timer of its own.
    """

    __slots__ = ("_cancelling", "_dog", "_href", "_since", "_task", "_why", "heard", "loop")

    heard: float
    """When the last byte came, by the loop's clock."""

    def __init__(self, dog: Watchdog, href: str) -> None:
        self._dog = dog
        self._href = href
        self._why = ""

    def __enter__(self) -> Watch:
        task = asyncio.current_task()
        assert task is not None, "an attempt is a task's"
        self._task, self._cancelling = task, task.cancelling()
        self.loop = task.get_loop()
        self.heard = self._since = self.loop.time()
        self._dog.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dog.remove(self)
        if not self._why:
            return
        # Who else has cancelled the task wins.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise StalledError(f"{redact_href(self._href)} {self._why}") from None

    def look(self, now: float) -> None:
        """Ends the attempt, if it is time.

        Args:
            now: The loop's time.
        """
        dog = self._dog
        if self._why:
            return
        if dog.total is not None and now - self._since >= dog.total:
            self._why = f"took longer than {dog.total:g} seconds"
        elif now - self.heard >= dog.patience:
            self._why = f"sent nothing for {dog.patience:g} seconds"
        if self._why:
            self._task.cancel()
