"""End the flow runs that a killed worker left.

A worker that is killed cannot report what becomes of its runs. For the server they are Running, and
each keeps its slot of the concurrency limit until its lease expires, five minutes later. Processes
of such runs that are still alive cannot be cancelled, and crash when they write their next log
line.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Crashed

from prefect_stac_asset.deployments.registration import online_workers

AT_WORK = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
"""The states of runs that hold a slot of their deployment's concurrency limit."""


def end_orphaned_processes(home: Path, worker: str) -> None:
    """Kill the processes of flow runs that a worker left.

    Args:
        home: The `PREFECT_HOME` of the worker.
        worker: The name of the worker, which does not run.
    """
    marks = {f"PREFECT_HOME={home}", f"PREFECT__WORKER_NAME={worker}"}
    while found := [pid for pid, variables in _flow_run_processes() if marks <= variables]:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


async def end_orphaned_runs(pool: str) -> list[str]:
    """Set the runs that a killed worker left to Crashed, and return their names.

    Args:
        pool: The name of the work pool. While another worker of the pool is online, no run is
            ended, since the server does not know which worker a run belongs to.
    """
    at_work = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=AT_WORK)))
    only = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    if any(worker.name != pool for worker in await online_workers(pool)):
        return []
    async with get_client() as client:
        runs = await client.read_flow_runs(flow_run_filter=at_work, work_pool_filter=only)
        for run in runs:
            final = Cancelled if run.state_type is StateType.CANCELLING else Crashed
            await client.set_flow_run_state(run.id, final(message="The worker was killed."))
    return [run.name for run in runs]


def _flow_run_processes() -> Iterator[tuple[int, set[str]]]:
    """Yield the process id and the environment variables of each flow run on this machine."""
    for pid, variables in _linux() if Path("/proc/self/environ").exists() else _others():
        if any(one.startswith("PREFECT__FLOW_RUN_ID=") for one in variables):
            yield pid, variables


def _linux() -> Iterator[tuple[int, set[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        # The process has just ended, or belongs to another user.
        with suppress(OSError):
            yield int(folder.name), set(os.fsdecode((folder / "environ").read_bytes()).split("\0"))


def _others() -> Iterator[tuple[int, set[str]]]:
    listed = subprocess.run(
        ["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        pid, *words = line.split()
        yield int(pid), set(words)
