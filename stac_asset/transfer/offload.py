"""Keeps slow calls from holding up the event loop, and quick ones from a thread of no use.

A hop to a thread costs more than writing a small file to memory or to a fast disk; on a slow disk,
the loop must not wait. Which of them it is, nobody can be asked: it is measured.
"""

from __future__ import annotations

import asyncio
import math
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Concatenate

from stac_asset.concurrency import _P, _T, ended, in_thread

_QUICK = 0.002
"""Seconds up to which the loop can wait for a call."""

_FIRST, _MOST = 64, 4096
"""Calls in threads after a slow one, until the loop tries one again; doubled up to the most."""


_LARGE = 128 * 1024
"""Bytes from which on a write goes to a thread; files of 64 KiB are better off without."""

_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)  # Linux has it.


def _waits() -> float:
    """Returns how often this thread has waited for anything but a processor, if that is known."""
    if _THREAD is None:
        return math.nan  # Which differs from itself.
    return resource.getrusage(_THREAD).ru_nvcsw


class Offload:
    """Runs calls of one kind: in the loop as long as they are quick, in threads where they are not.

    After two in a row that took too long, the next ones go to threads; then the loop tries one
    again.
    """

    def __init__(self) -> None:
        self._left = 0
        self._slow = False
        self._after_slow = _FIRST

    async def __call__(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a call.

        Args:
            call: What to run.
            args: Its arguments.
            kwargs: Its named arguments.
        """
        if self._left > 0:
            self._left -= 1
            return await in_thread(call, *args, **kwargs)
        # Asking costs as much as a quick call, so it is asked when there is a suspicion.
        waits = _waits() if self._slow else math.nan  # Which differs from all.
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            took = time.perf_counter() - began
            # What waited for a processor was not slow itself, and would not be quicker elsewhere.
            before, self._slow = self._slow, took > _QUICK and _waits() != waits
            if not self._slow:
                self._after_slow = _FIRST
            elif before:
                self._left = self._after_slow
                self._after_slow = min(_MOST, 2 * self._after_slow)


class Writes:
    """Runs the writes of a run: large ones in threads, so that others' bytes arrive meanwhile."""

    def __init__(self) -> None:
        self._small = Offload()

    async def __call__(
        self,
        write: Callable[Concatenate[bytes, _P], None],
        data: bytes,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> None:
        """Runs a write.

        Args:
            write: What writes the bytes.
            data: The bytes.
            args: Its further arguments.
            kwargs: Its named arguments.
        """
        if len(data) < _LARGE:
            await self._small(write, data, *args, **kwargs)
        else:
            call = partial(write, data, *args, **kwargs)
            await ended(asyncio.get_running_loop().run_in_executor(None, call))
