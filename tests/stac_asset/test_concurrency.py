"""Concurrency helpers: bounded calls, the event loop runner, and calls in threads."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import ContextVar

import pytest

from stac_asset import concurrency
from stac_asset.concurrency import (
    CrossLoopSemaphore,
    bounded,
    concurrent_calls,
    in_executor,
    in_thread,
    new_runner,
)


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


class BlockedCalls:
    """Calls that wait for a release, and count starts and cancellations."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self.running = 0
        self.max_running = 0

    async def __call__(self, number: int) -> int:
        self.started.append(number)
        self.running += 1
        self.max_running = max(self.running, self.max_running)
        try:
            await self.release.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # Cleanup takes time.
            self.cancelled.append(number)
            raise
        finally:
            self.running -= 1
        return number

    async def until_started(self, count: int) -> None:
        while len(self.started) < count:
            await asyncio.sleep(0)


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_all_results_are_yielded(limit: int) -> None:
    results = [result async for result in bounded(double, range(50), limit)]
    assert sorted(results) == [2 * number for number in range(50)]


@pytest.mark.parametrize("inputs", [[], (), iter(())])
async def test_no_inputs_have_no_results(inputs: list[int]) -> None:
    assert [result async for result in bounded(double, inputs, 4)] == []


async def test_single_worker_keeps_order_of_inputs() -> None:
    assert [result async for result in bounded(double, range(9), 1)] == list(range(0, 18, 2))


async def test_results_are_yielded_in_order_of_completion() -> None:
    events = [asyncio.Event() for _ in range(3)]

    async def call(index: int) -> int:
        await events[index].wait()
        return index

    order = [2, 0, 1]
    events[order[0]].set()
    results = []
    async for result in bounded(call, range(3), 3):
        results.append(result)
        if len(results) < 3:
            events[order[len(results)]].set()
    assert results == order


async def test_concurrent_calls_are_limited() -> None:
    calls = BlockedCalls()

    async def collect() -> list[int]:
        return [result async for result in bounded(calls, range(20), 4)]

    collecting = asyncio.create_task(collect())
    await calls.until_started(4)
    for _ in range(20):
        await asyncio.sleep(0)
    assert calls.started == [0, 1, 2, 3]
    calls.release.set()
    assert sorted(await collecting) == list(range(20))
    assert calls.max_running == 4


async def test_tasks_of_several_generators_share_slots_and_keep_them_between_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(concurrency, "_MAX_HELD", math.inf)
    slots, running, most, order = CrossLoopSemaphore(2), 0, 0, []

    async def call(value: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        order.append(value)

    async def consume(name: str) -> None:
        async for _ in bounded(call, [name] * 10, 5, slots):
            assert slots.held <= 2

    await asyncio.gather(consume("a"), consume("b"))
    assert most == 2
    assert order == ["a"] * 10 + ["b"] * 10
    assert slots.held == 0


async def test_long_calls_let_the_tasks_of_other_generators_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(concurrency, "_MAX_HELD", 0)
    slots, started = CrossLoopSemaphore(1), asyncio.Event()

    async def call(number: int) -> int:
        started.set()
        await asyncio.sleep(0.001)
        return number

    async def consume_endless() -> None:
        async for _ in bounded(call, itertools.count(), 1, slots):
            pass

    endless = asyncio.create_task(consume_endless())
    await started.wait()
    async with asyncio.timeout(240):
        assert [number async for number in bounded(call, iter([1, 2, 3]), 1, slots)] == [1, 2, 3]
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    assert slots.held == 0


async def test_inputs_are_consumed_on_demand() -> None:
    consumed = 0

    def inputs() -> Iterator[int]:
        nonlocal consumed
        for number in range(1_000_000):
            consumed += 1
            yield number

    async with aclosing(bounded(double, inputs(), 3)) as results:
        async for _ in results:
            for _ in range(100):  # A slow consumer.
                await asyncio.sleep(0)
            break
    assert consumed <= 3 * 4


async def test_fewer_tasks_are_started_for_short_lists() -> None:
    async def count_tasks(number: int) -> int:
        return len(asyncio.all_tasks())

    before = len(asyncio.all_tasks())
    counts = [count async for count in bounded(count_tasks, [1, 2], 1000)]
    assert max(counts) == before + 2


async def test_exception_of_call_is_raised_after_running_calls_end() -> None:
    calls = BlockedCalls()
    error = ValueError("of a call")

    async def call(number: int) -> int:
        if number == 2:
            await calls.until_started(2)
            raise error
        return await calls(number)

    with pytest.raises(ValueError, match="of a call") as raised:
        async for _ in bounded(call, range(10), 3):
            pass
    assert raised.value is error
    assert sorted(calls.cancelled) == [0, 1]
    assert calls.running == 0


async def test_cancelled_error_of_call_is_raised() -> None:
    async def call(value: int) -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            _ = [result async for result in bounded(call, [1, 2], 2)]


async def test_exception_of_inputs_is_raised() -> None:
    def inputs() -> Iterator[int]:
        yield 1
        raise ValueError("of the inputs")

    with pytest.raises(ValueError, match="of the inputs"):
        async for _ in bounded(double, inputs(), 2):
            pass


async def test_running_calls_are_cancelled_when_iteration_stops() -> None:
    calls = BlockedCalls()

    async def call(number: int) -> int:
        return number if number == 0 else await calls(number)

    async with aclosing(bounded(call, range(10), 3)) as results:
        assert await anext(results) == 0
        await calls.until_started(3)
    assert sorted(calls.cancelled) == sorted(calls.started) == [1, 2, 3]
    assert calls.running == 0


async def test_cancellation_of_consumer_cancels_calls() -> None:
    calls = BlockedCalls()

    async def consume() -> None:
        async with aclosing(bounded(calls, range(10), 2)) as results:
            async for _ in results:
                pass

    consuming = asyncio.create_task(consume())
    await calls.until_started(2)
    consuming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consuming
    assert sorted(calls.cancelled) == [0, 1]


async def test_call_that_ignores_cancellation_is_not_followed_by_another() -> None:
    started: list[int] = []

    async def call(number: int) -> int:
        started.append(number)
        if number > 0:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return number
        return number

    async with aclosing(bounded(call, range(10), 2)) as results:
        assert await anext(results) == 0
        while len(started) < 3:
            await asyncio.sleep(0)
    assert started == [0, 1, 2]


async def test_started_calls_are_limited_and_awaited_at_exit() -> None:
    calls, done = BlockedCalls(), list[int]()

    async def call(number: int) -> None:
        done.append(await calls(number))

    async def start_all() -> None:
        async with concurrent_calls(3) as start:
            for number in range(10):
                await start(call(number))

    starting = asyncio.create_task(start_all())
    await calls.until_started(3)
    calls.release.set()
    await starting
    assert sorted(done) == list(range(10))
    assert calls.max_running == 3


@pytest.mark.parametrize("limit", [1, 2, 8])
async def test_exception_of_started_call_is_raised_after_other_calls(limit: int) -> None:
    started, done = list[int](), list[int]()

    async def call(number: int) -> None:
        started.append(number)
        await asyncio.sleep(0)
        if number == 1:
            raise ValueError(number)
        await asyncio.sleep(0.01)
        done.append(number)

    async def start_all() -> None:
        async with concurrent_calls(limit) as start:
            for number in range(6):
                await start(call(number))

    with pytest.raises(ValueError, match="1"):
        await start_all()
    assert sorted(done) == sorted(set(started) - {1})
    assert len(started) <= limit + 1


async def test_cancellation_cancels_started_calls() -> None:
    calls = BlockedCalls()

    async def call(number: int) -> None:
        await calls(number)

    async def start_all() -> None:
        async with concurrent_calls(3) as start:
            for number in range(10):
                await start(call(number))

    starting = asyncio.create_task(start_all())
    await calls.until_started(3)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert sorted(calls.cancelled) == [0, 1, 2]


async def test_call_in_executor_has_the_context_of_the_caller() -> None:
    number = ContextVar("number", default=0)
    number.set(7)
    with ThreadPoolExecutor(1, "own") as executor:
        assert await in_executor(executor, number.get) == 7
        name = await in_executor(executor, lambda: threading.current_thread().name)
    assert name.startswith("own")


def test_runner_uses_uvloop_if_installed() -> None:
    with new_runner() as runner:
        assert runner.run(double(2)) == 4
        module = type(runner.get_loop()).__module__
    is_installed = importlib.util.find_spec("uvloop") is not None
    assert module.partition(".")[0] == ("uvloop" if is_installed else "asyncio")


async def test_call_in_thread_returns_result() -> None:
    def call(*args: int, **kwargs: int) -> tuple[int, int, int]:
        return args[0], kwargs["key"], threading.get_ident()

    first, key, thread = await in_thread(call, 1, key=2)
    assert (first, key) == (1, 2)
    assert thread != threading.get_ident()


async def test_exception_of_call_in_thread_is_raised() -> None:
    error = ValueError("in the thread")

    def call() -> None:
        raise error

    with pytest.raises(ValueError, match="in the thread") as raised:
        await in_thread(call)
    assert raised.value is error


async def test_repeated_cancellation_waits_for_end_of_call_in_thread() -> None:
    started, finish, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        finish.wait(60)
        ended.set()

    task = asyncio.create_task(in_thread(call))
    while not started.is_set():
        await asyncio.sleep(0.001)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    finish.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


def test_semaphore_limit_holds_across_event_loops() -> None:
    semaphore, active, maximum, lock = CrossLoopSemaphore(3), 0, 0, threading.Lock()

    async def visit() -> None:
        nonlocal active, maximum
        async with semaphore:
            with lock:
                active += 1
                maximum = max(maximum, active)
            await asyncio.sleep(0.001)
            with lock:
                active -= 1

    async def visits() -> None:
        await asyncio.gather(*(visit() for _ in range(50)))

    running = [threading.Thread(target=lambda: asyncio.run(visits())) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert (active, maximum) == (0, 3)


async def test_cancelled_waiters_release_semaphore() -> None:
    semaphore = CrossLoopSemaphore(1)

    async def visit() -> None:
        async with semaphore:
            pass

    async with semaphore:
        waiting = [asyncio.create_task(visit()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # The semaphore was released to this waiter, which has not resumed yet.
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(240):
        await visit()


async def test_resized_semaphore_admits_waiters_or_waits_for_holders() -> None:
    semaphore = CrossLoopSemaphore(1)
    await semaphore.acquire()
    waiting = [asyncio.create_task(semaphore.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    semaphore.resize(3)
    await asyncio.gather(*waiting[:2])
    assert (semaphore.held, semaphore.is_exceeded) == (3, False)
    semaphore.resize(2)
    assert semaphore.is_exceeded
    semaphore.release()
    await asyncio.sleep(0)
    assert not waiting[2].done()
    semaphore.release()
    await waiting[2]
