"""Limits on simultaneous downloads and connections of a run within a process.

The tasks of a run share these limits across threads and event loops. Tasks that the flow awaits
run in the loop of the flow. Tasks that are submitted to threads have one loop each.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import TypeAlias
from weakref import WeakValueDictionary

from prefect.runtime import flow_run


class CrossLoopSemaphore:
    """A semaphore for event loops of different threads. Waiters are served in order.

    An `asyncio.Semaphore` belongs to one loop, and a `threading.Semaphore` blocks the loop.

    Args:
        limit: Maximum number of holders at once.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lock = threading.Lock()
        self._waiters: dict[asyncio.Future[None], None] = {}

    async def __aenter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiter = asyncio.get_running_loop().create_future()
            self._waiters[waiter] = None
        try:
            await waiter
        except BaseException:
            with self._lock:
                is_acquired = waiter not in self._waiters
                self._waiters.pop(waiter, None)
            if is_acquired:  # The semaphore was acquired during the cancellation.
                self._release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        while True:
            with self._lock:
                waiter = next(iter(self._waiters), None)
                if waiter is None:
                    self._free += 1
                    return
                del self._waiters[waiter]
            loop = waiter.get_loop()
            if loop is asyncio.get_running_loop():
                _wake(waiter)  # Directly: `call_soon_threadsafe` costs a system call.
                return
            with suppress(RuntimeError):  # That loop is closed. Try the next waiter.
                loop.call_soon_threadsafe(_wake, waiter)
                return


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # A cancelled waiter releases the semaphore itself.
        waiter.set_result(None)


class ProcessLimits:
    """The limits of a run in this process.

    Args:
        max_concurrent_downloads: Maximum number of assets downloaded at once.
        max_connections_per_host: Maximum number of connections to one host.
    """

    downloads: CrossLoopSemaphore
    """Limits the number of assets downloaded at once."""

    def __init__(self, max_concurrent_downloads: int, max_connections_per_host: int) -> None:
        self.downloads = CrossLoopSemaphore(max_concurrent_downloads)
        self._per_host = max_connections_per_host
        self._connections: dict[str, CrossLoopSemaphore] = {}

    def connections(self, host: str) -> CrossLoopSemaphore:
        """Return the semaphore that limits the connections to a host.

        Args:
            host: The name of the host, or of the bucket.
        """
        return self._connections.setdefault(host, CrossLoopSemaphore(self._per_host))


_Key: TypeAlias = tuple[str, int, int]

_limits_by_run: WeakValueDictionary[_Key, ProcessLimits] = WeakValueDictionary()
"""The limits of the current runs, by the id of the flow run and the two maxima."""

_lock = threading.Lock()


def run_limits(max_concurrent_downloads: int, max_connections_per_host: int) -> ProcessLimits:
    """Return the limits of the current flow run. Outside of a flow run, return new limits.

    Args:
        max_concurrent_downloads: Maximum number of assets downloaded at once.
        max_connections_per_host: Maximum number of connections to one host.
    """
    run_id = flow_run.id
    if not run_id:
        return ProcessLimits(max_concurrent_downloads, max_connections_per_host)
    key = (run_id, max_concurrent_downloads, max_connections_per_host)
    with _lock:
        limits = _limits_by_run.get(key)
        if limits is None:
            limits = _limits_by_run[key] = ProcessLimits(
                max_concurrent_downloads, max_connections_per_host
            )
        return limits
