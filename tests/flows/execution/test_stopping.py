"""Stopped runs on threads and processes, and the monitor that stops tasks."""

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
from tests.support import stopping_contract as contract
from tests.support.flow_inputs import OPTIONS, make_transfers, with_options
from tests.support.prefect_reads import read_back

RUNNERS = [ThreadPoolTaskRunner, ProcessPoolTaskRunner]


@pytest.mark.parametrize("runner", RUNNERS)
async def test_cancelled_run_stops_all_tasks(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.assert_cancelled_run_stops_all_tasks(runner(max_workers=2), origin, tmp_path)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_fail_fast_cancels_waiting_tasks(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.assert_fail_fast_cancels_waiting_tasks(runner(max_workers=2), origin, tmp_path)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_hook_tasks_complete_and_remaining_tasks_stop(
    runner: type[Any], origin: Origin, tmp_path: Path
) -> None:
    await contract.assert_hook_tasks_complete_and_remaining_tasks_stop(
        runner(max_workers=2), origin, tmp_path
    )


async def test_stop_label_does_not_apply_to_next_attempt(origin: Origin, tmp_path: Path) -> None:
    task_states = []

    @flow(retries=1)
    async def user_flow() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        attempt = context.flow_run.run_count
        (transfer,) = make_transfers(origin, tmp_path, 1)
        for label in (attempt - 1, attempt):
            async with get_client() as client:
                await client.update_flow_run_labels(context.flow_run.id, {STOPPING: label})
            state = await flows.download_asset(transfer, OPTIONS, return_state=True)
            task_states.append((attempt, label, state.name))
        if attempt == 1:
            raise ValueError("the first attempt fails")

    await user_flow()
    assert task_states == [
        (1, 0, "Completed"),
        (1, 1, "Cancelled"),
        (2, 1, "Skipped"),
        (2, 2, "Cancelled"),
    ]


@dataclass
class Stopping:
    """State of a flow run or task: being stopped or not."""

    stopping: bool = False


def make_monitor(around: Stopping) -> StopMonitor:
    return StopMonitor(uuid4(), 1, around, fail_fast=True)


async def assert_not_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(5):
        await asyncio.sleep(0)
    assert task.cancelling() == 0


async def test_stop_during_completion_leaves_no_cancellation() -> None:
    for number in range(12):
        run, task = Stopping(), Stopping()

        async def work(number: int = number, run: Stopping = run) -> str:
            run.stopping = True
            await asyncio.sleep(0.19 + 0.002 * number)  # The monitor checks every 0.2 s.
            return "done"

        result = await make_monitor(run).until_stopped(work(), task)
        if isinstance(result, State):
            assert result.name == "Cancelled"
            assert task.stopping
        else:
            assert result == "done"
        await assert_not_cancelled()


@pytest.mark.parametrize("end", ["value", "error", "cancelled"])
async def test_stopped_work_returns_value_or_cancelled_state(end: str) -> None:
    run, own_task = Stopping(), Stopping()
    started = asyncio.Event()

    async def work() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert own_task.stopping
            await asyncio.sleep(0.01)
            if end == "value":
                return "done"
            if end == "error":
                raise OSError("the connection was closed") from None
            raise
        raise AssertionError

    running = asyncio.ensure_future(make_monitor(run).until_stopped(work(), own_task))
    await started.wait()
    run.stopping = True
    result = await running
    if end == "value":
        assert result == "done"
    else:
        assert isinstance(result, State)
        assert result.message == "another asset failed first, and `fail_fast` is set"
    await assert_not_cancelled()


async def test_errors_and_outer_cancellation_propagate() -> None:
    async def fails() -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="of the work itself"):
        await make_monitor(Stopping()).until_stopped(fails())
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await make_monitor(Stopping()).until_stopped(waits())
    assert ended.is_set()
    await assert_not_cancelled()


async def test_task_timeout_applies(origin: Origin, tmp_path: Path) -> None:
    origin.fault("/0.tif", Stall(after=10), times=0)
    (transfer,) = make_transfers(origin, tmp_path, 1)

    @flow
    async def user_flow() -> Any:
        limited = flows.download_asset.with_options(timeout_seconds=0.5)
        return (await limited(transfer, OPTIONS, return_state=True)).name

    state = await user_flow(return_state=True)  # type: ignore[call-overload]
    _, (run,) = await read_back(state, 1)
    assert run.state is not None
    assert run.state.name == "TimedOut"


async def test_stalled_download_has_timed_out_state(origin: Origin, tmp_path: Path) -> None:
    origin.fault("/0.tif", Stall(after=10), times=0)
    (transfer,) = make_transfers(origin, tmp_path, 1)
    options = with_options(http_read_timeout=0.2, http_max_attempts=1)

    @flow
    async def user_flow() -> None:
        await flows.download_asset(transfer, options, return_state=True)

    state = await user_flow(return_state=True)  # type: ignore[call-overload]
    _, (run,) = await read_back(state, 1)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("TimedOut", "FAILED")
    assert "StalledError" in (run.state.message or "")
