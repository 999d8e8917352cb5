"""The deployments of `prefect.yaml` as Prefect's `RunnerDeployment`, to serve or to register."""

from __future__ import annotations

from pathlib import Path

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset.deployments.parameters import without_groups
from prefect_stac_asset.deployments.prefect_yaml import FILE, Deployment, read_deployments
from prefect_stac_asset.flows.execution.flow import AssetFlow
from prefect_stac_asset.flows.parameters.strict_schema import refuse_unknown_parameters


def deployments(file: Path = FILE, *, pool: bool = False) -> list[RunnerDeployment]:
    """Return the deployments that a `prefect.yaml` lists.

    Args:
        file: The path of the file.
        pool: Whether workers of the work pools run the deployments. Otherwise the deployments are
            for `prefect.serve`.

    Raises:
        ConfigError: The file cannot be read or is invalid.
    """
    return [_deployment(listed, pool) for listed in read_deployments(file)]


def _deployment(listed: Deployment, pool: bool) -> RunnerDeployment:
    limit = listed.concurrency_limit
    flow = listed.flow()
    deployment = RunnerDeployment.from_flow(
        flow,
        name=listed.name,
        description=listed.description,
        tags=listed.tags,
        parameters=without_groups(flow, listed.parameters),
        schedules=[
            DeploymentScheduleCreate(
                schedule=one.to_prefect(),
                active=one.active,
                parameters=without_groups(flow, one.parameters),
                slug=one.slug,
            )
            for one in listed.schedules
        ],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=limit.limit,
            collision_strategy=ConcurrencyLimitStrategy(limit.collision_strategy),
        ),
        work_pool_name=listed.work_pool.name if pool else None,
        job_variables=listed.work_pool.job_variables if pool else None,
        # A file path would add the folder of the file to `sys.path` in each run.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # `from_flow` stores the module that defines the flow; `prefect deploy` stores the file's value.
    deployment.entrypoint = listed.entrypoint
    if isinstance(flow, AssetFlow):
        refuse_unknown_parameters(deployment)
    return deployment
