"""The event loop of the command line, of `blocking` and of whoever starts one for this library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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
