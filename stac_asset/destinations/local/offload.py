"""Runs quick calls to the disk in the event loop, and slow calls in threads.

Local uploads use this module for writes and commits. Starting a thread costs more than writing a
small file to memory or to a fast disk. On a slow disk, the event loop must not wait. The duration
of each call shows whether the disk is slow.

Commits sync files. They have threads of their own, so that many syncs are in flight and no write
waits for a sync. A file system records the changes of all syncs in flight together.
"""

from __future__ import annotations

import asyncio
import math
import resource
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from stac_asset.concurrency import ended
from stac_asset.pipes import Chunk, PipedBytes

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MAX_QUICK_WRITE = 0.002
"""Maximum duration, in seconds, of a write that counts as quick."""

_MAX_QUICK_PIPED = 0.01
"""Maximum duration, in seconds, of a write from a pipe that counts as quick.

Such a write has up to 1 MiB. Linux delays the writes of a process that writes faster than its
disk by 10 milliseconds or more.
"""

_MAX_QUICK_COMMIT = 0.0005
"""Maximum duration, in seconds, of a commit that counts as quick.

Syncs overlap in threads, so a thread pays for shorter calls than a write.
"""

_MAX_COMMITS = 32
"""Maximum number of commits in threads at the same time.

With 2,000 files of 64 KiB on ext4, one sync at a time took 11.7 seconds, six 5.6, sixteen 3.4 and
thirty-two 2.5. More threads were not faster.
"""

_MIN_IN_THREADS, _MAX_IN_THREADS = 64, 4096
"""Minimum and maximum number of calls in threads after two slow calls in a row.

The number is doubled if further calls in the event loop are slow, too.
"""

_LARGE = 128 * 1024
"""Minimum size, in bytes, of a write that always runs in a thread."""

_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)  # Linux only.


def _voluntary_waits() -> float:
    """Return the number of voluntary context switches of this thread, or NaN if unknown.

    A thread switches voluntarily when it waits, for example for a disk.
    """
    if _THREAD is None:
        return math.nan  # Unequal to itself, so every long call counts as slow.
    return resource.getrusage(_THREAD).ru_nvcsw


class AdaptiveOffload:
    """Runs similar calls in the event loop, or in threads after two slow calls in a row.

    Args:
        max_quick: Maximum duration, in seconds, of a call that counts as quick.
        threads: Number of own threads for the calls. By default, the calls share the threads of
            the event loop with all other calls.
    """

    def __init__(self, max_quick: float = _MAX_QUICK_WRITE, threads: int | None = None) -> None:
        self._max_quick = max_quick
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._in_threads = 0
        self._slow = False
        self._next_in_threads = _MIN_IN_THREADS

    async def __call__(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a call.

        Args:
            call: The function.
            args: The positional arguments.
            kwargs: The keyword arguments.
        """
        if self._in_threads > 0:
            self._in_threads -= 1
            return await self._in_thread(partial(call, *args, **kwargs))
        # Reading the count costs as much as a quick call. Read the count only after a slow call.
        waits = _voluntary_waits() if self._slow else math.nan
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            took = time.perf_counter() - began
            # A call that waited only for a processor would not be faster in a thread.
            was_slow = self._slow
            self._slow = took > self._max_quick and _voluntary_waits() != waits
            if not self._slow:
                self._next_in_threads = _MIN_IN_THREADS
            elif was_slow:
                self._in_threads = self._next_in_threads
                self._next_in_threads = min(_MAX_IN_THREADS, 2 * self._next_in_threads)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        if self._threads is not None and self._executor is None:
            # The threads end when no destination refers to the executor any more.
            self._executor = ThreadPoolExecutor(self._threads, "stac-asset-commit")
        return await ended(asyncio.get_running_loop().run_in_executor(self._executor, call))


def new_commits() -> AdaptiveOffload:
    """Return the scheduler of the commits of a destination, which overlap on a slow disk."""
    return AdaptiveOffload(_MAX_QUICK_COMMIT, _MAX_COMMITS)


class WriteScheduler:
    """Runs the writes of a run. Large writes run in threads, so that other bytes can arrive.

    Bytes in pipes are written by the event loop unless the disk is slow. Such a write takes less
    processor time than the change to a thread and back saves.
    """

    def __init__(self) -> None:
        self._small, self._piped = AdaptiveOffload(), AdaptiveOffload(_MAX_QUICK_PIPED)

    def __call__(
        self,
        write: Callable[[Chunk, int], None],
        data: Chunk,
        position: int,
    ) -> Awaitable[None]:
        """Return an awaitable that runs a write.

        Args:
            write: The function that writes.
            data: The bytes.
            position: The position of the first byte in the file.
        """
        if isinstance(data, PipedBytes):
            return self._piped(write, data, position)
        if len(data) < _LARGE:
            return self._small(write, data, position)
        call = partial(write, data, position)
        return ended(asyncio.get_running_loop().run_in_executor(None, call))
