"""Functions that wait for other threads and processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def poll(
    read: Callable[[], Awaitable[Value]],
    accept: Callable[[Value], object],
    seconds: float = 240,
    interval: float = 0.1,
    longest: float = 1.0,
) -> Value:
    """Return the first accepted value of repeated reads.

    Each request to a Prefect server takes 20 ms, so that long waits have few reads.

    Args:
        read: Reads the value, for example from the Prefect server.
        accept: Returns whether the value is the expected one.
        seconds: Time limit. The default allows for a busy machine.
        interval: Seconds between the first two reads. Later intervals are longer.
        longest: Maximum seconds between two reads.

    Raises:
        AssertionError: No value was accepted in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = await read()
        if accept(value):
            return value
        assert time.monotonic() < deadline, f"the last value after {seconds} s is {value!r}"
        await asyncio.sleep(interval)
        interval = min(1.5 * interval, longest)


async def wait_until(condition: Callable[[], object], seconds: float = 240) -> None:
    """Wait for a condition. The event loop continues in the meantime."""

    async def read() -> object:
        return condition()

    await poll(read, bool, seconds, interval=0.05, longest=0.05)


def block_until(
    condition: Callable[[], object], seconds: float = 240, interval: float = 0.01
) -> None:
    """Wait for a condition. The thread is blocked in the meantime."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition does not hold after {seconds} s"
        time.sleep(interval)
