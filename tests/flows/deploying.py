"""Deployment runs for tests: a real work pool, and a real worker that starts them as processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from tests.server_logs import ServerLog, checked_log

ROOT = Path(__file__).parents[2]


@contextmanager
def running_worker(log: Path | ServerLog, *provoked: str, **environment: str) -> Iterator[str]:
    """Runs a process worker against the server of the tests, and yields the name of its pool.

    Args:
        log: Where its output goes, and that of the flow runs. It is checked for errors in the end.
        provoked: Regular expressions for the errors that the test expects in it.
        environment: More environment variables, which flow runs inherit.
    """
    pool = f"pool-{uuid4().hex[:8]}"
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process"]
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_WORKER_PREFETCH_SECONDS": "1"}
    with checked_log(log, *provoked) as checked, checked.path.open("wb") as output:
        worker = subprocess.Popen(
            [*command, "--pool", pool, "--name", pool],
            cwd=ROOT,
            env={**os.environ, **settings, **quick, "PYTHONPATH": str(ROOT), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield pool
        finally:
            worker.terminate()
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


async def deploy(flow: Flow[..., Any], pool: str, **options: Any) -> str:
    """Deploys a flow to a pool, and returns what `run_deployment` calls it.

    Args:
        flow: The flow, which a module holds.
        pool: The work pool.
        options: More arguments of `Flow.to_deployment`.
    """
    name = f"test-{uuid4().hex[:8]}"
    deployment = await flow.to_deployment(  # type: ignore[misc] # a coroutine in an event loop
        name, entrypoint_type=EntrypointType.MODULE_PATH, work_pool_name=pool, **options
    )
    await existing(pool)
    await deployment.aapply()
    return f"{flow.name}/{name}"


async def existing(pool: str) -> None:
    """Waits for a work pool, which a worker makes when it starts.

    Args:
        pool: The work pool.
    """
    async with get_client() as client:
        for _ in range(600):
            try:
                await client.read_work_pool(pool)
                break
            except ObjectNotFound:
                await asyncio.sleep(0.2)


async def ended(run: FlowRun) -> State[Any]:
    """Returns the final state of a flow run, when it has one.

    Args:
        run: The flow run.
    """
    async with get_client() as client:
        for _ in range(600):
            state = (await client.read_flow_run(run.id)).state
            if state is not None and state.is_final():
                return state
            await asyncio.sleep(0.2)
    raise AssertionError(f"{run.name} has not ended: {state}")
