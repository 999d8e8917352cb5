"""How many assets are in work at once in this process, and of each host: for a whole run.

The tasks of a run share its places whichever thread and event loop they are in: those that the
flow awaits have the flow's loop, and those that it submits to threads have one each.
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
    """A number of places that are taken from any event loop of any thread, first come first served.

    An `asyncio.Semaphore` belongs to one loop, and a `threading.Semaphore` blocks it.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def __aenter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            with self._lock:
                is_given = turn not in self._waiting
                self._waiting.pop(turn, None)
            if is_given:  # While we were being cancelled.
                self._leave()
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
                turn = next(iter(self._waiting), None)
                if turn is None:
                    self._free += 1
                    return
                del self._waiting[turn]
            loop = turn.get_loop()
            if loop is asyncio.get_running_loop():
                _give(turn)  # Another loop has to be woken, which costs a system call.
                return
            with suppress(RuntimeError):  # That loop is closed: it is the next one's turn.
                loop.call_soon_threadsafe(_give, turn)
                return


def _give(turn: asyncio.Future[None]) -> None:
    if not turn.done():  # Else it is cancelled, and whoever awaits it passes the place on.
        turn.set_result(None)


class ProcessLimits:
    """The places of a run in this process.

    Args:
        max_concurrent_downloads: How many assets may be in work at once.
        max_connections_per_host: How many of them may be fetched from the same host.
    """

    places: CrossLoopSemaphore
    """A place for each asset in work."""

    def __init__(self, max_concurrent_downloads: int, max_connections_per_host: int) -> None:
        self.places = CrossLoopSemaphore(max_concurrent_downloads)
        self._per_host = max_connections_per_host
        self._hosts: dict[str, CrossLoopSemaphore] = {}

    def host(self, host: str) -> CrossLoopSemaphore:
        """Returns the places at a host.

        Args:
            host: Its name; of an object store, the bucket's.
        """
        return self._hosts.setdefault(host, CrossLoopSemaphore(self._per_host))


_Key: TypeAlias = tuple[str, int, int]

_runs: WeakValueDictionary[_Key, ProcessLimits] = WeakValueDictionary()
_lock = threading.Lock()


def run_limits(max_concurrent_downloads: int, max_connections_per_host: int) -> ProcessLimits:
    """Returns the limits of the flow run around; outside of one, limits of their own.

    Args:
        max_concurrent_downloads: How many assets may be in work at once.
        max_connections_per_host: How many of them may be fetched from the same host.
    """
    run_id = flow_run.id
    if not run_id:
        return ProcessLimits(max_concurrent_downloads, max_connections_per_host)
    key = (run_id, max_concurrent_downloads, max_connections_per_host)
    with _lock:
        limits = _runs.get(key)
        if limits is None:
            limits = _runs[key] = ProcessLimits(max_concurrent_downloads, max_connections_per_host)
        return limits
