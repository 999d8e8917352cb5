"""Internal: settings of a deployment besides parameters and schedules, in a file and on a server.

The names are those of the fields of `RunnerDeployment`. Prefect's UI can edit these settings.
"""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment

_DEFAULT_QUEUE = "default"
"""Name of the work queue of deployments without a work queue."""


def settings_in_file(listed: RunnerDeployment) -> dict[str, Any]:
    """Return the settings of a deployment of `prefect.yaml`, as JSON values.

    Args:
        listed: The deployment of the file.
    """
    return _settings(
        listed.description,
        listed.tags,
        listed.concurrency_limit,
        listed.concurrency_options,
        listed.job_variables,
        listed.work_pool_name,
        listed.work_queue_name,
    )


def settings_on_server(server: DeploymentResponse) -> dict[str, Any]:
    """Return the settings of a deployment on a server, as JSON values.

    Args:
        server: The deployment on the server.
    """
    limit = server.global_concurrency_limit
    return _settings(
        server.description,
        server.tags,
        limit.limit if limit is not None else None,
        server.concurrency_options,
        server.job_variables,
        server.work_pool_name,
        server.work_queue_name,
    )


def _settings(
    description: str | None,
    tags: list[str],
    limit: int | None,
    options: ConcurrencyOptions | None,
    job_variables: dict[str, Any],
    pool: str | None,
    queue: str | None,
) -> dict[str, Any]:
    found = {
        "description": description,
        "tags": sorted(tags),
        "concurrency_limit": limit,
        "concurrency_options": options and options.model_dump(mode="json", exclude_none=True),
        "job_variables": job_variables,
    }
    # A deployment without a pool was served, and is now registered for workers, or the reverse.
    if pool is not None:
        found["work_pool_name"] = pool
    if queue not in (None, _DEFAULT_QUEUE):
        found["work_queue_name"] = queue
    return found
