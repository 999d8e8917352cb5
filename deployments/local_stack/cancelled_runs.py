"""Internal: cancel all active flow runs of a server that is about to stop.

The process of a run can be gone, for example after a crash of the machine. Such a run never
confirms its cancellation, and is set to Cancelled here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Cancelling

from prefect_stac_asset.deployments.crashed_runs import read_active_runs
from prefect_stac_asset.deployments.local_stack.orphaned_runs import flow_run_ids
from prefect_stac_asset.deployments.registration import online_workers

_GRACE = 5.0
"""Seconds in which a worker may start the process of a run after receiving the run."""

_RESUMES = "the next run resumes"


async def cancel_runs(pools: Collection[str], timeout: float) -> AsyncIterator[str]:
    """Cancel all active flow runs at once, and wait until all have ended.

    Runs without a process are set to Cancelled after five seconds, and all remaining runs after the
    timeout.

    Args:
        pools: The work pools whose workers were started on this machine.
        timeout: Maximum number of seconds to wait.

    Yields:
        A line to print for each run, as soon as the run has ended.
    """
    async with get_client() as client:
        waiting = {run.id: run for run in await read_active_runs(client)}
        used = {run.work_pool_name for run in waiting.values() if run.work_pool_name}
        remote = {pool for pool in used if await _has_other_worker(pool, pool in pools)}
        with_process = flow_run_ids()
        for run_id in waiting:
            await client.set_flow_run_state(
                run_id, Cancelling(message="The worker is being stopped.")
            )
        started = time.monotonic()
        while waiting:
            active = {run.id for run in await read_active_runs(client)}
            for run_id in waiting.keys() - active:
                yield f"run '{waiting.pop(run_id).name}' was cancelled; {_RESUMES}"
            # A worker reports the end of a process some seconds later.
            with_process |= flow_run_ids()
            elapsed = time.monotonic() - started
            stopped = without_process(waiting.values(), with_process, remote, elapsed)
            is_late = elapsed > timeout
            for run_id in waiting.keys() if is_late else stopped:
                await _end(client, run_id)
                reason = "had stopped" if run_id in stopped else "did not end in time"
                name = waiting[run_id].name
                yield f"run '{name}' was set to Cancelled: its process {reason}; {_RESUMES}"
            waiting = {} if is_late else {k: v for k, v in waiting.items() if k not in stopped}
            if waiting:
                await asyncio.sleep(0.2)


def without_process(
    runs: Collection[FlowRun], processes: Collection[str], remote: Collection[str], elapsed: float
) -> set[UUID]:
    """Return the runs that had no process during the cancellation.

    Args:
        runs: Active runs that are being cancelled.
        processes: The ids of the flow runs that had a process on this machine.
        remote: The work pools with workers on other machines.
        elapsed: Seconds since the cancellation.
    """
    if elapsed < _GRACE:
        return set()
    return {
        run.id for run in runs if str(run.id) not in processes and run.work_pool_name not in remote
    }


async def _has_other_worker(pool: str, is_own: bool) -> bool:
    """Return whether a worker is online that was not started by `up` on this machine."""
    return any(not (is_own and worker.name == pool) for worker in await online_workers(pool))


async def _end(client: PrefectClient, run_id: UUID) -> None:
    message = "The worker was stopped, and the process of the run did not confirm the cancellation."
    await client.set_flow_run_state(run_id, Cancelled(message=message))
