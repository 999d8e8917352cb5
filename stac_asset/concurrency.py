"""Internal: bounded concurrency, semaphores, the event loop runner, and calls in threads.

The library and the flows use these functions.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
)
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import copy_context
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

_A = TypeVar("_A")
_R = TypeVar("_R")
_P = ParamSpec("_P")
_T = TypeVar("_T")

_MAX_HELD = 1.0
"""Seconds after which a task of `bounded` gives its slot to the next task that waits.

Short calls share a slot, because a wait for each call costs more. After long calls, such as those
to a slow host, the tasks of other generators take turns.
"""


async def bounded(
    call: Callable[[_A], Awaitable[_R]],
    inputs: Iterable[_A],
    limit: int,
    slots: AbstractAsyncContextManager[object] | None = None,
) -> AsyncGenerator[_R, None]:
    """Yield the results of a call for each input, in order of completion.

    The number of tasks is `limit`, and inputs are consumed on demand. The number of inputs may
    therefore be very large. If the caller closes the generator, or if a call raises an
    exception, all running calls are cancelled and awaited. The exception is raised to the caller.

    Args:
        call: The function to await for each input.
        inputs: The inputs. For a list or tuple shorter than `limit`, fewer tasks are started.
        limit: Maximum number of concurrent calls, at least 1.
        slots: Limits the simultaneous calls of several generators. A task holds a slot for several
            calls, for about a second.

    Yields:
        The results of the calls.
    """
    if isinstance(inputs, list | tuple):
        limit = min(limit, len(inputs))
    remaining = iter(inputs)
    # An asyncio.Queue is slower: each put and each get wakes a waiting task.
    done: deque[tuple[_R] | BaseException | None] = deque()
    arrived, room = asyncio.Event(), asyncio.Event()
    now = asyncio.get_running_loop().time

    async def work() -> None:
        try:
            for first in remaining:  # A task without an input does not wait for a slot.
                async with nullcontext() if slots is None else slots:
                    until = now() + _MAX_HELD
                    for value in chain((first,), remaining):
                        while len(done) > limit:
                            room.clear()
                            await room.wait()
                        done.append((await call(value),))
                        arrived.set()
                        if stopped:  # A call may return normally although it was cancelled.
                            return
                        if now() > until:
                            break
            done.append(None)
        # A call may raise CancelledError although its task was not cancelled.
        except (Exception, asyncio.CancelledError) as error:
            done.append(error)
        arrived.set()

    stopped = False
    workers = [asyncio.create_task(work()) for _ in range(limit)]
    try:
        running = len(workers)
        while running:
            while not done:
                arrived.clear()
                await arrived.wait()
            result = done.popleft()
            room.set()
            if result is None:
                running -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result[0]
    finally:
        stopped = True
        await cancel_all(workers)


@asynccontextmanager
async def concurrent_calls(
    limit: int,
) -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], Awaitable[None]]]:
    """Yield a function that starts a call, and waits while the number of calls is at the limit.

    The exit waits for all calls. The error of a call is raised by the next start or by the exit.
    After an error, the other calls are completed. After a cancellation, they are cancelled.

    Args:
        limit: Maximum number of concurrent calls. With 1, the function awaits each call.

    Yields:
        The function that starts a call.
    """
    running: set[asyncio.Task[None]] = set()

    async def start(call: Coroutine[Any, Any, None]) -> None:
        if limit == 1:
            await call
            return
        running.add(asyncio.create_task(call))
        await wait_for_calls(limit - 1)

    async def wait_for_calls(most: int) -> None:
        while len(running) > most:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running.difference_update(done)
            for task in done:
                task.result()

    try:
        yield start
        await wait_for_calls(0)
    except Exception:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    finally:
        await cancel_all(running)


class CrossLoopSemaphore:
    """A semaphore for event loops of different threads. Waiters are served in order.

    An `asyncio.Semaphore` belongs to one loop, and a `threading.Semaphore` blocks the loop.

    Args:
        limit: Maximum number of holders at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()
        self._waiters: dict[asyncio.Future[None], None] = {}

    @property
    def held(self) -> int:
        """The number of holders. May exceed the limit after `resize`."""
        return self._held

    @property
    def free(self) -> int:
        """The number of holders that the limit still admits without a wait."""
        return 0 if self._waiters else max(0, self._limit - self._held)

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more holders than the limit allows."""
        return self._held > self._limit

    async def acquire(self) -> None:
        """Wait until the number of holders is below the limit, and become a holder."""
        with self._lock:
            if self._held < self._limit and not self._waiters:
                self._held += 1
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
                self.release()
            raise

    def release(self) -> None:
        """End being a holder. Call this method in an event loop."""
        with self._lock:
            self._held -= 1
            if not self._waiters:
                return
        self._wake_waiters()

    def resize(self, limit: int) -> None:
        """Change the limit. Current holders are not interrupted.

        Args:
            limit: Maximum number of holders at once.
        """
        with self._lock:
            self._limit = limit
        self._wake_waiters()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _wake_waiters(self) -> None:
        while True:
            with self._lock:
                if not self._waiters or self._held >= self._limit:
                    return
                waiter = next(iter(self._waiters))
                del self._waiters[waiter]
                self._held += 1
            loop = waiter.get_loop()
            if loop is asyncio.get_running_loop():
                _wake(waiter)  # Directly: `call_soon_threadsafe` costs a system call.
                continue
            try:
                loop.call_soon_threadsafe(_wake, waiter)
            except RuntimeError:  # That loop is closed. Try the next waiter.
                with self._lock:
                    self._held -= 1


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # A cancelled waiter releases the semaphore itself.
        waiter.set_result(None)


def new_runner() -> asyncio.Runner:
    """Return an event loop runner that uses uvloop if installed, and asyncio's loop otherwise.

    In the main thread, Ctrl-C cancels the running coroutine. The runner raises KeyboardInterrupt
    after the coroutine has cleaned up.
    """
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a blocking call in a thread. Cancellation takes effect after the call has returned.

    Args:
        call: The function to call.
        args: Positional arguments.
        kwargs: Keyword arguments.
    """
    return await ended(asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs)))


async def in_executor(
    executor: Executor | None, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    """Run a blocking call in a thread of an executor, as `in_thread` does.

    Args:
        executor: The executor. With None, the thread is one of the event loop.
        call: The function to call.
        args: Positional arguments.
        kwargs: Keyword arguments.
    """
    if executor is None:
        return await in_thread(call, *args, **kwargs)
    run = partial(copy_context().run, call, *args, **kwargs)
    return await ended(asyncio.get_running_loop().run_in_executor(executor, run))


async def ended(task: asyncio.Future[_T]) -> _T:
    """Await an uncancellable future. Cancellation takes effect after the end of the future.

    Args:
        task: The future of a call in a thread.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        raise


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait for the end of all tasks. Errors of the tasks are ignored.

    Args:
        tasks: The tasks, which may have ended already.
    """
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
