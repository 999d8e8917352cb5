"""Process workers and deployments on the Prefect server of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from tests.support.paths import ROOT
from tests.support.prefect_environment import import_path
from tests.support.processes import poll
from tests.support.server_logs import ServerLog, checked_log


@contextmanager
def running_worker(
    log: Path | ServerLog,
    *provoked: str,
    python: str | Path = sys.executable,
    folder: Path = ROOT,
    pool: str | None = None,
    name: str | None = None,
    **environment: str,
) -> Iterator[str]:
    """Start a process worker, and yield the name of the work pool.

    Args:
        log: Log of the worker and of its flow runs. Unexpected errors in the log fail the test.
        provoked: Regular expressions for errors that the test expects in the log.
        python: Interpreter of the worker and of its flow runs.
        folder: Working directory of the worker, and first folder of the import path.
        pool: Name of the work pool. By default, a new name.
        name: Name of the worker. By default, that of the work pool.
        environment: Additional environment variables, which flow runs inherit.
    """
    pool = pool or f"pool-{uuid4().hex[:8]}"
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    command = [str(python), "-m", "prefect", "worker", "start", "--type", "process"]
    # Each query takes the server 20 ms.
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "3", "PREFECT_WORKER_PREFETCH_SECONDS": "1"}
    variables = {**settings, **quick, "PYTHONPATH": import_path(folder), **environment}
    with checked_log(log, *provoked) as checked, checked.path.open("wb") as output:
        worker = subprocess.Popen(
            [*command, "--pool", pool, "--name", name or pool],
            cwd=folder,
            env={**os.environ, **variables},
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
    """Deploy a flow to a work pool, and return 'flow name/deployment name'.

    Args:
        flow: A flow at the top level of a module.
        pool: Name of the work pool.
        options: Further arguments of `Flow.to_deployment`.
    """
    name = f"test-{uuid4().hex[:8]}"
    deployment = await flow.to_deployment(  # type: ignore[misc] # a coroutine in an event loop
        name, entrypoint_type=EntrypointType.MODULE_PATH, work_pool_name=pool, **options
    )
    await wait_for_pool(pool)
    await deployment.aapply()
    return f"{flow.name}/{name}"


def kill_worker_with_runs(pool: str) -> None:
    """Kill a worker and all flow runs of the worker with SIGKILL, as after a power failure.

    Args:
        pool: Name of the work pool and of the worker.
    """
    mark = f"PREFECT__WORKER_NAME={pool}".encode()
    command = f"\0--name\0{pool}\0".encode()
    killed = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_run = mark in (folder / "environ").read_bytes().split(b"\0")
            if is_run or command in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                killed.append(folder)
    assert len(killed) > 1, "the worker has no flow run"


async def wait_for_pool(pool: str) -> None:
    """Wait until a starting worker has created a work pool.

    Args:
        pool: Name of the work pool.
    """
    async with get_client() as client:

        async def exists() -> bool:
            try:
                await client.read_work_pool(pool)
            except ObjectNotFound:
                return False
            return True

        await poll(exists, bool, interval=0.2)


async def final_flow_run_state(run: FlowRun) -> State[Any]:
    """Wait for the end of a flow run, and return the final state.

    Args:
        run: The flow run, which may still be active.
    """
    async with get_client() as client:
        ended = await poll(
            lambda: client.read_flow_run(run.id),
            lambda found: found.state is not None and found.state.is_final(),
            interval=0.5,
        )
    assert ended.state is not None
    return ended.state
