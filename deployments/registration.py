"""What is asked of a Prefect server: to know blocks, pools and deployments, and to end runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import StateType, Worker
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import DeploymentApplyError
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling
from prefect.workers.process import ProcessWorker

from prefect_stac_asset import blocks
from prefect_stac_asset.deployments.runner_deployments import deployments
from stac_asset.errors import ConfigError

_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Statuses of requests whose content the server refuses."""


async def register_blocks() -> list[str]:
    """Registers the types of our credentials, so that forms can offer them; returns their slugs."""
    slugs = []
    for kind in vars(blocks).values():
        if isinstance(kind, type) and issubclass(kind, Block) and kind is not Block:
            await kind.register_type_and_schema()
            slugs.append(kind.get_block_type_slug())
    return sorted(slugs)


async def register_deployments(file: Path) -> AsyncIterator[str]:
    """Register the deployments of a `prefect.yaml` for workers.

    Args:
        file: The file.

    Yields:
        'flow name/deployment name' of each deployment, when it is registered.

    Raises:
        ConfigError: The file is wrong, a work pool of it does not exist, or Prefect refuses some
            deployments. The message has a line for each refused deployment; all others are
            registered.
    """
    made = deployments(file, pool=True)
    async with get_client() as client:
        for pool in {str(deployment.work_pool_name) for deployment in made}:
            try:
                await client.read_work_pool(pool)
            except ObjectNotFound:
                raise ConfigError(
                    f"there is no work pool '{pool}': start a worker of it first, which makes it"
                ) from None
    refused = []
    for deployment in made:
        try:
            await deployment.aapply()
        except (DeploymentApplyError, PrefectHTTPStatusError) as error:
            refused.append(f"deployment '{deployment.name}' is refused: {_reason(error)}")
        else:
            yield f"{deployment.flow_name}/{deployment.name}"
    if refused:
        raise ConfigError("\n".join(refused))


def _reason(error: DeploymentApplyError | PrefectHTTPStatusError) -> str:
    """Return why the server refused a deployment, without the request that its answer repeats.

    Raises:
        PrefectHTTPStatusError: The server failed, or refused the client rather than its request.
    """
    cause = error.__cause__ if isinstance(error, DeploymentApplyError) else error
    if not isinstance(cause, PrefectHTTPStatusError):
        return " ".join(str(error).split())
    if cause.response.status_code not in _REFUSED:
        raise cause
    answer = cause.response.json()
    found = answer.get("detail") or "; ".join(one["msg"] for one in answer["exception_detail"])
    return " ".join(str(found).split()).removeprefix("Value error, ")


async def make_process_pool(name: str, directory: Path) -> None:
    """Makes a work pool, unless there is one of that name.

    Args:
        name: What to call it.
        directory: The working directory of its runs: relative paths are within it.

    Raises:
        ConfigError: There is one, and it is not for processes.
    """
    async with get_client() as client:
        try:
            found = await client.read_work_pool(name)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            template["variables"]["properties"]["working_dir"]["default"] = str(directory)
            await client.create_work_pool(
                WorkPoolCreate(name=name, type="process", base_job_template=template)
            )
            return
    if found.type != "process":
        raise ConfigError(f"work pool '{name}' is for {found.type} workers, and not for processes")


async def online_workers(pool: str) -> list[Worker]:
    """Return the workers of a work pool that have sent a heartbeat lately.

    Args:
        pool: The name of the work pool.
    """
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    async with get_client() as client:
        # Both said, as the client sends nulls otherwise, which some versions of FastAPI refuse.
        return await client.read_workers_for_work_pool(pool, online, offset=0, limit=200)


async def has_worker(pool: str, since: datetime) -> bool:
    """Return whether a worker of a work pool has sent a heartbeat since a time.

    Args:
        pool: The name of the work pool.
        since: The time. A worker that was killed stays online for a minute and a half.
    """
    found = await online_workers(pool)
    return any(one.last_heartbeat_time and one.last_heartbeat_time >= since for one in found)


async def cancel_runs(patience: float) -> list[str]:
    """Cancels the runs that are at work, and returns the names of those that have ended.

    Args:
        patience: Seconds that they get to end.
    """
    at_work = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(
                any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
            )
        )
    )
    ended = []
    async with get_client() as client:
        runs = await client.read_flow_runs(
            flow_run_filter=at_work, sort=FlowRunSort.START_TIME_ASC, limit=200
        )
        for run in runs:
            await client.set_flow_run_state(run.id, Cancelling(message="its worker is ended"))
        deadline = time.monotonic() + patience
        for run in runs:
            while time.monotonic() < deadline:
                state = (await client.read_flow_run(run.id)).state
                if state is not None and state.is_final():
                    ended.append(run.name)
                    break
                await asyncio.sleep(0.2)
    return ended
