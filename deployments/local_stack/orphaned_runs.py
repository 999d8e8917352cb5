"""Internal: end the flow runs of killed workers.

A killed worker cannot report the final state of its flow runs. On the server, these runs stay
Running. Each run keeps a slot of the concurrency limit until the lease of the slot expires after
five minutes. Running processes of these runs cannot be cancelled, and crash when they write the
next log line.
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
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Crashed

from prefect_stac_asset.deployments.crashed_runs import read_active_runs
from prefect_stac_asset.deployments.registration import online_workers

_RUN_ID = "PREFECT__FLOW_RUN_ID="
"""Start of the environment variable with the id of the flow run."""


def end_orphaned_processes(home: Path, worker: str) -> None:
    """Kill the flow run processes of a worker that is not running.

    Args:
        home: The `PREFECT_HOME` of the worker.
        worker: The name of the worker.
    """
    marks = {f"PREFECT_HOME={home}", f"PREFECT__WORKER_NAME={worker}"}
    while found := [pid for pid, variables in _flow_run_processes() if marks <= variables]:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


async def end_orphaned_runs(pool: str) -> list[str]:
    """Set the active flow runs of a killed worker to Crashed, and return the names of the runs.

    Runs that were being cancelled are set to Cancelled.

    Args:
        pool: The name of the work pool and of the killed worker. While another worker of the pool
            is online, no run is changed, because the server does not record the worker of a run.
    """
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    if any(worker.name != pool for worker in await online_workers(pool)):
        return []
    async with get_client() as client:
        runs = await read_active_runs(client, of_pool)
        for run in runs:
            final = Cancelled if run.state_type is StateType.CANCELLING else Crashed
            await client.set_flow_run_state(run.id, final(message="The worker was killed."))
    return [run.name for run in runs]


def flow_run_ids() -> set[str]:
    """Return the ids of the flow runs that have a process on this machine."""
    return {
        variable.removeprefix(_RUN_ID)
        for _, variables in _flow_run_processes()
        for variable in variables
        if variable.startswith(_RUN_ID)
    }


def _flow_run_processes() -> Iterator[tuple[int, set[str]]]:
    """Yield the process id and the environment variables of each flow run on this machine."""
    for pid, variables in _from_proc() if Path("/proc/self/environ").exists() else _from_ps():
        if any(variable.startswith(_RUN_ID) for variable in variables):
            yield pid, variables


def _from_proc() -> Iterator[tuple[int, set[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        # Ignore processes that have just ended or belong to another user.
        with suppress(OSError):
            yield int(folder.name), set(os.fsdecode((folder / "environ").read_bytes()).split("\0"))


def _from_ps() -> Iterator[tuple[int, set[str]]]:
    listed = subprocess.run(
        ["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        pid, *words = line.split()
        yield int(pid), set(words)
