"""Internal: the threads that use a mirror in an object store.

Blocking code runs in these threads. The requests of this code run in the event loop of the run, and
the thread waits for the result.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

_A = TypeVar("_A")
_T = TypeVar("_T")
_P = ParamSpec("_P")


class StorageThreads:
    """Threads that wait for requests. Create this object in the event loop of the run.

    Args:
        concurrency: Maximum number of calls that `map` runs at the same time.
    """

    def __init__(self, concurrency: int) -> None:
        # Some requests need a thread of the event loop themselves, so the waiting threads must not
        # be those of the event loop. One more thread consumes the results of `map`.
        self.executor = ThreadPoolExecutor(concurrency + 1, "stac-asset-mirror")
        self._concurrency = concurrency
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def close(self) -> None:
        """End the threads. No call may be running."""
        self.executor.shutdown(wait=False)

    def map(self, call: Callable[[_A], _T], inputs: Iterable[_A]) -> Iterator[_T]:
        """Yield the results of a blocking call for each input, in order.

        After an error, the running calls are completed, and no further call is started.

        Args:
            call: The function to call.
            inputs: The inputs.
        """
        running: deque[Future[_T]] = deque()
        try:
            for value in inputs:
                running.append(self.executor.submit(copy_context().run, call, value))
                if len(running) == self._concurrency:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            wait([future for future in running if not future.cancel()])

    def start(self, request: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start a request in the event loop. Call this method in another thread.

        Args:
            request: The request.
        """
        assert threading.get_ident() != self._loop_thread, "the event loop would wait for itself"
        return asyncio.run_coroutine_threadsafe(request, self._loop)

    def result(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of a request. Call this method in another thread.

        Args:
            request: The request.
        """
        return self.start(request).result()


class _Threaded(Protocol):
    """An object with the threads that call its methods."""

    @property
    def threads(self) -> StorageThreads: ...


_S = TypeVar("_S", bound=_Threaded)


def blocking(
    method: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_S, _P], _T]:
    """Make a coroutine method a method that blocks. Call the method in another thread.

    Args:
        method: The method, which runs in the event loop of the run.
    """

    @wraps(method)
    def call(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.threads.result(method(self, *args, **kwargs))

    return call
