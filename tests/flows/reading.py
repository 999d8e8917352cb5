"""Reads runs back from the Prefect server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, Log, State, TaskRun
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
        for _ in range(1200):
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


async def read_artifacts(state: State[Any]) -> dict[str, dict[str, Any]]:
    """Returns the artifacts of a flow run by their keys, which differ."""
    body = {"artifacts": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    async with get_client() as client:
        response = await client.request("POST", "/artifacts/filter", json=body)
        # The server keeps a note of a run's result as an artifact without a key.
        found = [artifact for artifact in response.json() if artifact["key"]]
    assert len({artifact["key"] for artifact in found}) == len(found)
    return {artifact["key"]: artifact for artifact in found}


async def read_events(name: str, state: State[Any], count: int) -> list[dict[str, Any]]:
    """Returns the events of a name that are related to a flow run, when there are so many."""
    related = {"id": [f"prefect.flow-run.{state.state_details.flow_run_id}"]}
    body = {"filter": {"event": {"name": [name]}, "related": related}, "limit": 50}
    events: list[dict[str, Any]] = []
    async with get_client() as client:
        for _ in range(1200):
            response = await client.request("POST", "/events/filter", json=body)
            assert response.status_code == 200, response.text
            events, total = response.json()["events"], response.json()["total"]
            if total >= count:
                break
            await asyncio.sleep(0.1)
    assert total == count
    return sorted(events, key=lambda event: str(event["resource"]["prefect.resource.id"]))


async def read_logs(state: State[Any], logger: str, count: int, level: int = 0) -> list[Log]:
    """Returns what a logger put into the log of a flow run, when there is so much of it.

    Args:
        state: The final state of the flow run.
        logger: How the names of the loggers begin.
        count: How many lines there must be.
        level: Those of a lower level do not count.
    """
    only = LogFilter(
        flow_run_id=LogFilterFlowRunId(any_=[UUID(str(state.state_details.flow_run_id))])
    )
    async with get_client() as client:
        for _ in range(1200):
            logs = [
                log
                for log in await client.read_logs(only, limit=200, offset=0)
                if log.name.startswith(logger) and log.level >= level
            ]
            if len(logs) >= count:
                break
            await asyncio.sleep(0.1)
    assert len(logs) == count
    return logs
