"""Calls to a Prefect server: register blocks, work pools and deployments, and cancel runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import Worker
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.importtools import import_object
from prefect.workers.process import ProcessWorker

from prefect_stac_asset.deployments.automations import watch_heartbeats
from prefect_stac_asset.deployments.crashed_runs import ENTRYPOINT
from prefect_stac_asset.deployments.parameters import without_groups
from prefect_stac_asset.deployments.runner_deployments import deployments
from prefect_stac_asset.deployments.saved_blocks import check_saved_blocks
from prefect_stac_asset.deployments.ui_changes import (
    Merged,
    digests,
    merge,
    read_digests,
    write_digests,
)
from prefect_stac_asset.flows.mirror.block import BLOCK_TYPES
from stac_asset.errors import ConfigError

_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Statuses of responses to requests with invalid content."""


async def register_blocks() -> list[str]:
    """Register the types of blocks, and return the slugs of the types."""
    for kind in BLOCK_TYPES:
        await kind.register_type_and_schema()
    return sorted(kind.get_block_type_slug() for kind in BLOCK_TYPES)


async def register_deployments(file: Path, reset: bool = False) -> AsyncIterator[str]:
    """Register the deployments of a `prefect.yaml` for workers.

    Parameters, schedules and settings that people changed on the server are kept.

    Args:
        file: The path of the file.
        reset: Whether the file replaces changes of people.

    Yields:
        'flow name/deployment name' of each registered deployment, and a sentence for each
        difference between the file and the server.

    Raises:
        ConfigError: The file is invalid, or a work pool in it does not exist. Or some deployments
            refer to a block that is not saved, or are refused by Prefect: the message has a line
            for each of them, and all others are registered.
    """
    made = deployments(file, pool=True)
    async with get_client() as client:
        for pool in {str(deployment.work_pool_name) for deployment in made}:
            try:
                await client.read_work_pool(pool)
            except ObjectNotFound:
                raise ConfigError(
                    f"Work pool '{pool}' does not exist. Start a worker for the pool first, which "
                    "creates the pool."
                ) from None
    refused = []
    ids: list[tuple[str, UUID]] = []
    for deployment in made:
        try:
            registered, differences = await _register(deployment, reset)
            ids.append((str(deployment.entrypoint), registered))
        except ConfigError as error:
            refused.append(error.message)
        except (DeploymentApplyError, PrefectHTTPStatusError) as error:
            refused.append(f"Prefect refused deployment '{deployment.name}': {_reason(error)}")
        else:
            yield f"{deployment.flow_name}/{deployment.name}"
            for difference in differences:
                yield difference
    await _watch(ids)
    if refused:
        raise ConfigError("\n".join(refused))


async def _register(
    deployment: RunnerDeployment, reset: bool, is_served: bool = False
) -> tuple[UUID, list[str]]:
    """Register a deployment, and return its id and the differences between file and server.

    Raises:
        ConfigError: The deployment refers to a block that is not saved.
    """
    name = f"{deployment.flow_name}/{deployment.name}"
    async with get_client() as client:
        current, last = digests(deployment), await read_digests(client, deployment)
        try:
            server = await client.read_deployment_by_name(name)
        except ObjectNotFound:
            await check_saved_blocks(client, deployment)
            registered, differences = await deployment.aapply(), list[str]()
            if last is not None:
                differences.append(
                    f"{name}: the deployment was deleted on the server: created again"
                )
        else:
            if is_served:
                # Prefect pauses the deployments of a process that ends.
                server.paused = False
            flow = import_object(str(deployment.entrypoint))
            server.parameters = without_groups(flow, server.parameters)
            for schedule in server.schedules:
                schedule.parameters = without_groups(flow, schedule.parameters)
            merged = merge(deployment, server, last, reset)
            differences = merged.differences
            deployment.parameters = merged.parameters
            deployment.schedules = list(merged.schedules)
            for setting, value in merged.settings.items():
                setattr(deployment, setting, value)
            await check_saved_blocks(client, deployment)
            registered = await deployment.aapply()
            await _remove_schedules(client, server, merged)
        await write_digests(client, deployment, last, current)
    return registered, differences


async def _remove_schedules(
    client: PrefectClient, server: DeploymentResponse, merged: Merged
) -> None:
    for schedule in server.schedules:
        # The server has deleted schedules without a slug, and recreated all others.
        if schedule.id in merged.removed or not merged.schedules:
            with suppress(ObjectNotFound):
                await client.delete_deployment_schedule(server.id, schedule.id)


async def register_served(serving: Sequence[RunnerDeployment], reset: bool = False) -> list[str]:
    """Register block types, and deployments that this process is about to serve.

    Parameters, schedules and settings that people changed on the server are kept, and set in the
    deployments.

    Args:
        serving: The deployments.
        reset: Whether the file replaces changes of people.

    Returns:
        A sentence for each difference between the file and the server.

    Raises:
        ConfigError: A deployment refers to a block that is not saved. Or workers run a deployment
            of the same name. This process would take its runs, and Prefect would pause the
            deployment when the process ends.
    """
    async with get_client() as client:
        for deployment in serving:
            name = f"{deployment.flow_name}/{deployment.name}"
            with suppress(ObjectNotFound):
                pool = (await client.read_deployment_by_name(name)).work_pool_name
                if pool is not None:
                    raise ConfigError(
                        f"Deployment '{name}' is registered for work pool '{pool}', and this "
                        "process would take the runs of its workers. Use another name in the file, "
                        f"or delete the deployment: `prefect deployment delete '{name}'`."
                    )
    await register_blocks()
    ids: list[tuple[str, UUID]] = []
    differences = []
    for deployment in serving:
        registered, of_deployment = await _register(deployment, reset, is_served=True)
        ids.append((str(deployment.entrypoint), registered))
        differences += of_deployment
    await _watch(ids)
    return differences


async def _watch(registered: Sequence[tuple[str, UUID]]) -> None:
    """Watch the heartbeats of runs, if `end-crashed-runs` is one of the deployments.

    Args:
        registered: The entrypoint and the id of each deployment.
    """
    for entrypoint, deployment in registered:
        if entrypoint == ENTRYPOINT:
            await watch_heartbeats(deployment, [one for _, one in registered])


def _reason(error: DeploymentApplyError | PrefectHTTPStatusError) -> str:
    """Return the server's reason to refuse a deployment, without the content of the request.

    Raises:
        PrefectHTTPStatusError: The server failed, or denied access.
    """
    cause = error.__cause__ if isinstance(error, DeploymentApplyError) else error
    if not isinstance(cause, PrefectHTTPStatusError):
        return " ".join(str(error).split())
    if cause.response.status_code not in _REFUSED:
        raise cause
    answer = cause.response.json()
    details = answer.get("detail") or "; ".join(
        detail["msg"] for detail in answer["exception_detail"]
    )
    return " ".join(str(details).split()).removeprefix("Value error, ")


async def make_process_pool(name: str, directory: Path) -> None:
    """Create a work pool for processes, unless a pool of that name exists.

    Args:
        name: The name of the pool.
        directory: The working directory of runs in a new pool.

    Raises:
        ConfigError: A pool of that name exists and is not for processes.
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
        raise ConfigError(
            f"Work pool '{name}' is of type '{found.type}', but `make up` needs type 'process'. "
            "Set `work_pool.name` to another pool."
        )


async def online_workers(pool: str) -> list[Worker]:
    """Return the workers of a work pool that recently sent a heartbeat.

    Args:
        pool: The name of the work pool.
    """
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    async with get_client() as client:
        # Without offset and limit the client sends nulls, which some versions of FastAPI refuse.
        return await client.read_workers_for_work_pool(pool, online, offset=0, limit=200)


async def has_worker(pool: str, since: datetime) -> bool:
    """Return whether a worker of a work pool has sent a heartbeat since a time.

    Args:
        pool: The name of the work pool.
        since: The time. A killed worker stays online for 90 seconds.
    """
    workers = await online_workers(pool)
    return any(
        worker.last_heartbeat_time and worker.last_heartbeat_time >= since for worker in workers
    )
