"""The stall timer: limits on the time without received bytes, and on the time of an attempt."""

from __future__ import annotations

import asyncio

import pytest

from stac_asset.errors import StalledError
from stac_asset.transfer.stall import StallTimer

HREF = "https://example.com/a.tif?sig=secret"
SHORT = 0.02
"""A limit that expires during a test, in seconds."""


async def test_attempt_without_received_bytes_raises_stalled_error() -> None:
    with pytest.raises(StalledError) as raised, StallTimer(HREF, SHORT, None):
        await asyncio.sleep(60)
    assert str(raised.value) == (
        "https://example.com/a.tif?… sent no bytes for 0.02 seconds. Increase `http_read_timeout`."
    )
    assert raised.value.transient


async def test_received_bytes_extend_stall_timeout() -> None:
    with StallTimer(HREF, SHORT, None) as timer:
        timer.last_received = timer.loop.time() + 60
        await asyncio.sleep(2 * SHORT)


async def test_attempt_stalls_after_received_bytes() -> None:
    async def attempt() -> None:
        with StallTimer(HREF, SHORT, 60) as timer:
            timer.last_received = timer.loop.time() + SHORT
            await asyncio.sleep(60)

    with pytest.raises(StalledError, match=r"sent no bytes for 0\.02 seconds"):
        await attempt()


async def test_total_timeout_expires_although_bytes_are_received() -> None:
    async def attempt() -> None:
        with StallTimer(HREF, 60, SHORT) as timer:
            while True:
                timer.last_received = timer.loop.time()
                await asyncio.sleep(0.001)

    with pytest.raises(StalledError) as raised:
        await attempt()
    assert str(raised.value) == (
        "https://example.com/a.tif?… took longer than 0.02 seconds. Increase `http_client_timeout`."
    )


async def test_suspended_timer_starts_again() -> None:
    suspended = False

    async def attempt() -> None:
        nonlocal suspended
        with StallTimer(HREF, SHORT, SHORT) as timer:
            timer.suspend()
            await asyncio.sleep(3 * SHORT)
            suspended = True
            timer.resume()
            await asyncio.sleep(60)

    with pytest.raises(StalledError):
        await attempt()
    assert suspended


async def test_suspended_timer_ends_with_context() -> None:
    with StallTimer(HREF, SHORT, SHORT) as timer:
        timer.suspend()
        await asyncio.sleep(3 * SHORT)


async def test_timer_ends_with_context() -> None:
    with StallTimer(HREF, SHORT, SHORT):
        pass
    await asyncio.sleep(2 * SHORT)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("error", [TimeoutError("other"), ValueError("other")])
async def test_other_errors_are_raised_unchanged(error: Exception) -> None:
    with pytest.raises(type(error), match="other") as raised, StallTimer(HREF, 60, 60):
        raise error
    assert raised.value is error


async def test_cancellation_is_not_reported_as_stall() -> None:
    started = asyncio.Event()

    async def attempt() -> None:
        with StallTimer(HREF, 60, 60):
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(attempt())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_attempts_of_a_loop_stall_at_their_own_times() -> None:
    stalled: list[str] = []

    async def attempt(name: str, limit: float) -> None:
        try:
            with StallTimer(HREF, limit, None):
                await asyncio.sleep(60)
        except StalledError:
            stalled.append(name)

    # The attempt with the shortest limit starts last, and another attempt ends without a stall.
    attempts = [asyncio.create_task(attempt("late", 3 * SHORT))]
    attempts.append(asyncio.create_task(attempt("cancelled", 60)))
    attempts.append(asyncio.create_task(attempt("early", SHORT)))
    await asyncio.wait(attempts[2:])
    attempts[1].cancel()
    await asyncio.wait(attempts)
    assert stalled == ["early", "late"]


async def test_cancellation_during_a_stall_has_precedence() -> None:
    async def attempt() -> None:
        with StallTimer(HREF, SHORT, None):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stalled.set()
                await asyncio.sleep(60)

    stalled = asyncio.Event()
    task = asyncio.create_task(attempt())
    await stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_attempts_in_several_loops_of_a_thread_stall() -> None:
    async def attempt() -> None:
        with pytest.raises(StalledError), StallTimer(HREF, SHORT, None):
            await asyncio.sleep(60)

    for _ in range(3):
        asyncio.run(attempt())
