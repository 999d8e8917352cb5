"""How many assets are in work at once in this process, and of each host: for a whole run.

The tasks of a run share its places whichever thread and event loop they are in: those that the
flow awaits have the flow's loop, and those that it submits to threads have one each.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType
from typing import TypeAlias
from weakref import WeakValueDictionary

from prefect.runtime import flow_run


class Places:
    """A number of places that are taken from any event loop of any thread, first come first served.

    An `asyncio.Semaphore` belongs to one loop, and a `threading.Semaphore` blocks it.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()

    async def __aenter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            if not turn.cancel():
                self._leave()  # It was given to us while we were being cancelled.
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                turn = self._waiting.popleft()
            if turn.set_running_or_notify_cancel():
                turn.set_result(None)
                return


class RunLimits:
    """The places of a run in this process.

    Args:
        max_concurrent_downloads: How many assets may be in work at once.
        max_connections_per_host: How many of them may be fetched from the same host.
    """

    places: Places
    """A place for each asset in work."""

    def __init__(self, max_concurrent_downloads: int, max_connections_per_host: int) -> None:
        self.places = Places(max_concurrent_downloads)
        self._per_host = max_connections_per_host
        self._hosts: dict[str, Places] = {}

    def host(self, host: str) -> Places:
        """Returns the places at a host.

        Args:
            host: Its name; of an object store, the bucket's.
        """
        return self._hosts.setdefault(host, Places(self._per_host))


_Key: TypeAlias = tuple[str, int, int]

_runs: WeakValueDictionary[_Key, RunLimits] = WeakValueDictionary()
_lock = threading.Lock()


def run_limits(max_concurrent_downloads: int, max_connections_per_host: int) -> RunLimits:
    """Returns the limits of the flow run around; outside of one, limits of their own.

    Args:
        max_concurrent_downloads: How many assets may be in work at once.
        max_connections_per_host: How many of them may be fetched from the same host.
    """
    run_id = flow_run.id
    if not run_id:
        return RunLimits(max_concurrent_downloads, max_connections_per_host)
    key = (run_id, max_concurrent_downloads, max_connections_per_host)
    with _lock:
        limits = _runs.get(key)
        if limits is None:
            limits = _runs[key] = RunLimits(max_concurrent_downloads, max_connections_per_host)
        return limits
