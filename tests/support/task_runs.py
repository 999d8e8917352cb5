"""States of task runs, read from the Prefect server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from tests.support.processes import poll


async def read_state_names(task_run_id: UUID, count: int = 0) -> list[str]:
    """Return the names of the states of a task run, the earliest first.

    Args:
        task_run_id: The id of the task run.
        count: Minimum number of states. The server receives states as events, after a delay.
    """
    async with get_client() as client:
        found = await poll(
            lambda: client.read_task_run_states(task_run_id), lambda states: len(states) >= count
        )
    return [state.name or "" for state in sorted(found, key=lambda state: state.timestamp)]


async def final_task_run_state(task_run_id: UUID) -> State[Any]:
    """Wait for the end of a task run, and return the final state."""
    async with get_client() as client:
        run = await poll(
            lambda: client.read_task_run(task_run_id),
            lambda run: run.state is not None and run.state.is_final(),
            seconds=600,
            interval=0.2,
        )
    assert run.state is not None
    return run.state
