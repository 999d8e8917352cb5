"""Slow or large file operations run in threads, and quick operations in the event loop."""

from __future__ import annotations

import threading
import time

import pytest

from stac_asset.destinations.local.offload import AdaptiveOffload, WriteScheduler

MIB = 1024 * 1024


def slow_call() -> int:
    """Block for 10 ms, and return the identifier of the thread."""
    time.sleep(0.01)
    return threading.get_ident()


async def test_calls_run_in_threads_after_two_slow_calls() -> None:
    offload, loop_thread = AdaptiveOffload(), threading.get_ident()
    assert [await offload(slow_call), await offload(slow_call)] == [loop_thread, loop_thread]
    threads = {await offload(threading.get_ident) for _ in range(64)}
    assert loop_thread not in threads
    # Another call then runs in the loop. The next pause is twice as long.
    assert await offload(slow_call) == loop_thread
    threads = {await offload(threading.get_ident) for _ in range(128)}
    assert loop_thread not in threads
    assert await offload(slow_call) == loop_thread


async def test_error_of_call_is_raised_to_caller() -> None:
    offload = AdaptiveOffload()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await offload(lambda: [slow_call(), 1 // 0])


async def test_large_writes_run_in_threads() -> None:
    writes, loop_thread = WriteScheduler(), threading.get_ident()
    calls: list[tuple[int, int, bool]] = []

    def write(data: bytes, position: int) -> None:
        calls.append((len(data), position, threading.get_ident() == loop_thread))

    await writes(write, bytes(64 * 1024), 3)
    await writes(write, bytes(MIB), position=5)
    assert calls == [(64 * 1024, 3, True), (MIB, 5, False)]
