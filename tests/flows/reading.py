"""Reads runs back from the Prefect server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.client.schemas.sorting import TaskRunSort


async def read_back(state: State[Any], task_runs: int) -> tuple[FlowRun, list[TaskRun]]:
    """Returns a flow run and its task runs, when the server knows the end of each.

    Task runs reach it as events, a little later than they happen.

    Args:
        state: The final state of the flow run.
        task_runs: How many task runs there must be.
    """
    run_id = state.state_details.flow_run_id
    assert isinstance(run_id, UUID)
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    async with get_client() as client:
        for _ in range(300):
            found = await client.read_task_runs(
                flow_run_filter=only, sort=TaskRunSort.END_TIME_DESC, limit=200
            )
            ended = [run for run in found if run.state is not None and run.state.is_final()]
            if len(ended) == task_runs:
                break
            await asyncio.sleep(0.1)
        assert len(ended) == len(found) == task_runs, [run.name for run in found]
        return await client.read_flow_run(run_id), ended


def states(task_runs: list[TaskRun]) -> dict[str, tuple[str, str]]:
    """Returns the name and type of each task run's state, by the task run's name."""
    return {
        run.name: (run.state.name or "", run.state.type.value)
        for run in task_runs
        if run.state is not None
    }


def message(task_runs: list[TaskRun], name: str) -> str:
    """Returns the message of the state of the task run of a name."""
    (found,) = [run for run in task_runs if run.name == name]
    assert found.state is not None
    return found.state.message or ""
