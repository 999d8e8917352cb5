"""Internal: bounded concurrency, the event loop runner, and calls in threads.

The library and the flows use these functions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar

_A = TypeVar("_A")
_R = TypeVar("_R")
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def bounded(
    call: Callable[[_A], Awaitable[_R]], inputs: Iterable[_A], limit: int
) -> AsyncGenerator[_R, None]:
    """Yield the results of a call for each input, in order of completion.

    The number of tasks is `limit`, and inputs are consumed on demand. The number of inputs may
    therefore be very large. If the caller closes the generator, or if a call raises an
    exception, all running calls are cancelled and awaited. The exception is raised to the caller.

    Args:
        call: The function to await for each input.
        inputs: The inputs. For a list or tuple shorter than `limit`, fewer tasks are started.
        limit: Maximum number of concurrent calls, at least 1.

    Yields:
        The results of the calls.
    """
    if isinstance(inputs, list | tuple):
        limit = min(limit, len(inputs))
    remaining = iter(inputs)
    # An asyncio.Queue is slower: each put and each get wakes a waiting task.
    done: deque[tuple[_R] | BaseException | None] = deque()
    arrived, room = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            for value in remaining:
                while len(done) > limit:
                    room.clear()
                    await room.wait()
                done.append((await call(value),))
                arrived.set()
                if stopped:  # A call may return normally although it was cancelled.
                    return
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
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


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
