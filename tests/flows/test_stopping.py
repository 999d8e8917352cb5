"""Stopped runs on threads and processes, and the moment of a stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from prefect_stac_asset import flows
from prefect_stac_asset.flows.execution.stopping import STOPPING, StopMonitor
from stac_asset.testing import Origin, Stall
from tests.flows import stopping_contract as contract
from tests.flows.reading import read_back
from tests.flows.running import transfers
from tests.flows.test_states import OPTIONS, with_options

RUNNERS = [ThreadPoolTaskRunner, ProcessPoolTaskRunner]


@pytest.mark.parametrize("runner", RUNNERS)
async def test_cancelled_run_stops_all_tasks(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.cancelled_run_stops_all_tasks(runner(max_workers=2), origin, tmp_path)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_fail_fast_cancels_those_that_begin_later(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.fail_fast_cancels_those_that_begin_later(runner(max_workers=2), origin, tmp_path)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_hook_runs_what_it_submits_and_the_rest_stops(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.hook_runs_what_it_submits_and_the_rest_stops(
        runner(max_workers=2), origin, tmp_path
    )


async def test_label_of_an_attempt_does_not_stop_the_next_one(
    origin: Origin, tmp_path: Path
) -> None:
    found = []

    @flow(retries=1)
    async def own() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        attempt = context.flow_run.run_count
        (one,) = transfers(origin, tmp_path, 1)
        for label in (attempt - 1, attempt):
            async with get_client() as client:
                await client.update_flow_run_labels(context.flow_run.id, {STOPPING: label})
            state = await flows.download_asset(one, OPTIONS, return_state=True)
            found.append((attempt, label, state.name))
        if attempt == 1:
            raise ValueError("the first attempt fails")

    await own()
    assert found == [
        (1, 0, "Completed"),
        (1, 1, "Cancelled"),
        (2, 1, "Skipped"),
        (2, 2, "Cancelled"),
    ]


@dataclass
class Stopping:
    stopping: bool = False


def monitor(around: Stopping) -> StopMonitor:
    return StopMonitor(uuid4(), 1, around, fail_fast=True)


async def assert_not_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(5):
        await asyncio.sleep(0)
    assert task.cancelling() == 0


async def test_stop_at_the_moment_in_which_the_work_ends() -> None:
    for number in range(12):
        around, own = Stopping(), Stopping()

        async def work(number: int = number, around: Stopping = around) -> str:
            around.stopping = True
            await asyncio.sleep(0.19 + 0.002 * number)  # The monitor checks every 0.2 s.
            return "done"

        found = await monitor(around).until_stopped(work(), own)
        if isinstance(found, State):
            assert found.name == "Cancelled"
            assert own.stopping
        else:
            assert found == "done"
        await assert_not_cancelled()


@pytest.mark.parametrize("end", ["value", "error", "cancelled"])
async def test_end_of_work_that_is_being_stopped(end: str) -> None:
    around, own = Stopping(), Stopping()
    begun = asyncio.Event()

    async def work() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert own.stopping
            await asyncio.sleep(0.01)
            if end == "value":
                return "done"
            if end == "error":
                raise OSError("the connection was closed") from None
            raise
        raise AssertionError

    running = asyncio.ensure_future(monitor(around).until_stopped(work(), own))
    await begun.wait()
    around.stopping = True
    found = await running
    if end == "value":
        assert found == "done"
    else:
        assert isinstance(found, State)
        assert found.message == "another asset failed first, and `fail_fast` is set"
    await assert_not_cancelled()


async def test_error_and_cancellation_of_others_are_passed_on() -> None:
    async def fails() -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="of the work itself"):
        await monitor(Stopping()).until_stopped(fails())
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await monitor(Stopping()).until_stopped(waits())
    assert ended.is_set()
    await assert_not_cancelled()


async def test_timeout_of_the_user_still_counts(origin: Origin, tmp_path: Path) -> None:
    origin.fault("/0.tif", Stall(after=10), times=0)
    (one,) = transfers(origin, tmp_path, 1)

    @flow
    async def own() -> Any:
        limited = flows.download_asset.with_options(timeout_seconds=0.5)
        return (await limited(one, OPTIONS, return_state=True)).name

    state = await own(return_state=True)  # type: ignore[call-overload]
    _, (run,) = await read_back(state, 1)
    assert run.state is not None
    assert run.state.name == "TimedOut"


async def test_asset_whose_source_stalls_is_named_as_documented(
    origin: Origin, tmp_path: Path
) -> None:
    origin.fault("/0.tif", Stall(after=10), times=0)
    (one,) = transfers(origin, tmp_path, 1)
    options = with_options(http_read_timeout=0.2, http_max_attempts=1)

    @flow
    async def own() -> None:
        await flows.download_asset(one, options, return_state=True)

    state = await own(return_state=True)  # type: ignore[call-overload]
    _, (run,) = await read_back(state, 1)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("TimedOut", "FAILED")
    assert "StalledError" in (run.state.message or "")
