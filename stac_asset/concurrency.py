"""Awaits one call for each of many inputs, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar

_A = TypeVar("_A")
_R = TypeVar("_R")


async def bounded(
    call: Callable[[_A], Awaitable[_R]], inputs: Iterable[_A], limit: int
) -> AsyncGenerator[_R, None]:
    """Yields the results of a call for each input, in the order of their ends.

    There is one worker a place, not one an input, and inputs are drawn as they can be worked on:
    there may be very many. Leaving the iteration early cancels what is under way, and returns
    when it has ended; so does an exception of the call, which is raised here.

    Args:
        call: What to await for each input.
        inputs: The inputs; a list or tuple shorter than the limit starts no idle workers.
        limit: How many calls are under way at once, at least 1.

    Yields:
        What the calls return.
    """
    if isinstance(inputs, list | tuple):
        limit = min(limit, len(inputs))
    waiting = iter(inputs)
    # No queue: its every put and get would wake somebody up.
    done: deque[tuple[_R] | Exception | None] = deque()
    arrived, room = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            for value in waiting:
                while len(done) > limit:
                    room.clear()
                    await room.wait()
                done.append((await call(value),))
                arrived.set()
                if left:  # A call may end in good order although it was cancelled.
                    return
            done.append(None)
        except Exception as error:
            done.append(error)
        arrived.set()

    left = False
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
            elif isinstance(result, Exception):
                raise result
            else:
                yield result[0]
    finally:
        left = True
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def new_runner() -> asyncio.Runner:
    """Returns a runner on uvloop, and where that is not installed, on asyncio's own loop.

    Used from the main thread, it turns Ctrl-C into a cancellation of what it runs, and raises
    KeyboardInterrupt when that has cleaned up.
    """
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


_P = ParamSpec("_P")


_T = TypeVar("_T")


async def in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs a blocking call in a thread, and never leaves it running behind a cancellation.

    Args:
        call: What to run.
        args: Its arguments.
        kwargs: Its named arguments.
    """
    return await ended(asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs)))


async def ended(task: asyncio.Future[_T]) -> _T:
    """Awaits what cannot be stopped, and is not left running behind a cancellation.

    Args:
        task: What runs in a thread.
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
