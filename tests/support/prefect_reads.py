"""Runs, artifacts, events and logs, as stored by the Prefect server."""

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

from tests.support.processes import poll

_INTERVAL = 0.25
"""Seconds between two reads. Each read takes the server and the test 20 ms."""


async def read_back(state: State[Any], task_runs: int) -> tuple[FlowRun, list[TaskRun]]:
    """Return a flow run and all task runs, as soon as the server has stored all final states.

    Task runs arrive at the server as events, with a delay.

    Args:
        state: Final state of the flow run.
        task_runs: Expected number of task runs.
    """
    run_id = state.state_details.flow_run_id
    assert isinstance(run_id, UUID)
    run_filter = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    async with get_client() as client:
        found = await poll(
            lambda: client.read_task_runs(
                flow_run_filter=run_filter, sort=TaskRunSort.END_TIME_DESC, limit=200
            ),
            lambda runs: (
                [run.state is not None and run.state.is_final() for run in runs]
                == [True] * task_runs
            ),
            interval=_INTERVAL,
        )
        return await client.read_flow_run(run_id), found


def states(task_runs: list[TaskRun]) -> dict[str, tuple[str, str]]:
    """Return the name and the type of the state of each task run, by task run name."""
    return {
        run.name: (run.state.name or "", run.state.type.value)
        for run in task_runs
        if run.state is not None
    }


def message(task_runs: list[TaskRun], name: str) -> str:
    """Return the state message of the task run with this name."""
    (found,) = [run for run in task_runs if run.name == name]
    assert found.state is not None
    return found.state.message or ""


async def read_artifacts(state: State[Any]) -> dict[str, dict[str, Any]]:
    """Return the artifacts of a flow run by key. Duplicate keys are an error."""
    body = {"artifacts": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    async with get_client() as client:
        response = await client.request("POST", "/artifacts/filter", json=body)
        # Prefect stores the result of each run as an artifact without a key.
        found = [artifact for artifact in response.json() if artifact["key"]]
    assert len({artifact["key"] for artifact in found}) == len(found)
    return {artifact["key"]: artifact for artifact in found}


async def read_events(name: str, state: State[Any], count: int) -> list[dict[str, Any]]:
    """Return the events with this name related to a flow run, as soon as all are stored.

    Args:
        name: Name of the events.
        state: Final state of the flow run.
        count: Expected number of events.
    """
    related = {"id": [f"prefect.flow-run.{state.state_details.flow_run_id}"]}
    body = {"filter": {"event": {"name": [name]}, "related": related}, "limit": 50}
    events: list[dict[str, Any]] = []
    async with get_client() as client:
        for _ in range(480):
            response = await client.request("POST", "/events/filter", json=body)
            assert response.status_code == 200, response.text
            events, total = response.json()["events"], response.json()["total"]
            if total >= count:
                break
            await asyncio.sleep(_INTERVAL)
    assert total == count
    return sorted(events, key=lambda event: str(event["resource"]["prefect.resource.id"]))


async def read_logs(state: State[Any], logger: str, count: int, level: int = 0) -> list[Log]:
    """Return the log records of a flow run from some loggers, as soon as all are stored.

    Args:
        state: Final state of the flow run.
        logger: Prefix of the logger names.
        count: Expected number of records.
        level: Minimum level of the records.
    """
    run_filter = LogFilter(
        flow_run_id=LogFilterFlowRunId(any_=[UUID(str(state.state_details.flow_run_id))])
    )
    async with get_client() as client:
        for _ in range(480):
            logs = [
                log
                for log in await client.read_logs(run_filter, limit=200, offset=0)
                if log.name.startswith(logger) and log.level >= level
            ]
            if len(logs) >= count:
                break
            await asyncio.sleep(_INTERVAL)
    assert len(logs) == count
    return logs
