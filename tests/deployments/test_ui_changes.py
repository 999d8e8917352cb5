"""Registration of deployments that people changed on the server, and `serve` beside workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from prefect_stac_asset.deployments import deployments
from prefect_stac_asset.deployments.deployment_settings import (
    settings_in_file,
    settings_on_server,
)
from prefect_stac_asset.deployments.registration import register_deployments, register_served
from stac_asset.errors import ConfigError
from tests.support.workers import wait_for_pool

pytestmark = pytest.mark.usefixtures("prefect_test")

NAME = "verify/changed-by-people"
NIGHTLY: dict[str, Any] = {"slug": "nightly", "cron": "0 2 * * *", "active": False}
SETTINGS = ("concurrency_limit", "concurrency_options", "description", "job_variables", "tags")
WEEKLY: dict[str, Any] = {"slug": "weekly", "cron": "0 4 * * 0", "active": False}


def write_file(folder: Path, pool: str, *schedules: dict[str, Any], **parameters: Any) -> Path:
    deployment = {
        "name": "changed-by-people",
        "description": "A deployment of the tests.",
        "entrypoint": "prefect_stac_asset.flows.verify",
        "parameters": {"directory": "/data", **parameters},
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": pool},
        "schedules": list(schedules),
    }
    file = folder / "prefect.yaml"
    file.write_text(json.dumps({"name": "test", "pull": [], "deployments": [deployment]}))
    return file


async def register(file: Path, reset: bool = False) -> list[str]:
    """Register the deployment, and return the printed differences."""
    printed = [line async for line in register_deployments(file, reset)]
    assert printed[0] == NAME
    return printed[1:]


async def read() -> DeploymentResponse:
    async with get_client() as client:
        return await client.read_deployment_by_name(NAME)


def state_of(deployment: DeploymentResponse) -> dict[str | None, bool]:
    """Return whether each schedule is active, by slug."""
    return {one.slug: one.active for one in deployment.schedules}


async def test_changes_of_people_are_kept_and_printed_until_reset(
    pool: str, tmp_path: Path
) -> None:
    await wait_for_pool(pool)
    file = write_file(tmp_path, pool, NIGHTLY, WEEKLY)
    assert await register(file) == []
    assert await register(file) == []
    deployment = await read()
    weekly = next(one for one in deployment.schedules if one.slug == "weekly")
    hourly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 * * * *"), active=True)
    async with get_client() as client:
        await client.update_deployment_schedule(deployment.id, weekly.id, active=True)
        await client.create_deployment_schedules(deployment.id, [(hourly.schedule, True)])
        await client.update_deployment(
            deployment.id,
            DeploymentUpdate(
                parameters={"directory": "/data", "repair": True},
                paused=True,
                description="Described by a person.",
                tags=["mine"],
                concurrency_limit=3,
                concurrency_options=ConcurrencyOptions(
                    collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
                ),
                job_variables={"env": {"A": "1"}},
            ),
        )

    # Changes of the file are applied, besides the changes on the server.
    file = write_file(tmp_path, pool, NIGHTLY | {"active": True}, WEEKLY, granularity="batch")
    for _ in range(2):
        kept = "was changed on the server: kept; use --reset to replace the value"
        assert sorted(await register(file)) == [
            *(f"{NAME}: `{setting}` {kept}" for setting in SETTINGS),
            f"{NAME}: parameter `repair` {kept}",
            f"{NAME}: schedule '0 * * * *' (active) {kept}",
            f"{NAME}: schedule 'weekly' (active) {kept}",
            f"{NAME}: the deployment was paused on the server: "
            "kept; use --reset to resume the deployment",
        ]
        deployment = await read()
        assert state_of(deployment) == {"nightly": True, "weekly": True, None: True}
        assert deployment.parameters == {
            "directory": "/data",
            "granularity": "batch",
            "repair": True,
        }
        assert deployment.paused
        assert settings_on_server(deployment) == {
            "description": "Described by a person.",
            "tags": ["mine"],
            "concurrency_limit": 3,
            "concurrency_options": {"collision_strategy": "ENQUEUE"},
            "job_variables": {"env": {"A": "1"}},
            "work_pool_name": pool,
        }

    differences = await register(file, reset=True)
    replaced = [line for line in differences if "replaced by the value of the file" in line]
    assert len(replaced) == 3 + len(SETTINGS)
    deployment = await read()
    assert not deployment.paused
    assert settings_on_server(deployment) == settings_in_file(deployments(file, pool=True)[0])
    assert state_of(deployment) == {"nightly": True, "weekly": False}
    assert deployment.parameters == {"directory": "/data", "granularity": "batch"}

    # A schedule that the file no longer lists is removed.
    file = write_file(tmp_path, pool, WEEKLY, granularity="batch")
    assert await register(file) == [f"{NAME}: schedule 'nightly' (active) was removed"]
    assert state_of(await read()) == {"weekly": False}
    async with get_client() as client:
        deployment = await read()
        await client.delete_deployment_schedule(deployment.id, deployment.schedules[0].id)
    (deleted,) = await register(file)
    assert deleted.startswith(f"{NAME}: schedule 'weekly' was deleted on the server: kept")
    assert state_of(await read()) == {}
    async with get_client() as client:
        await client.delete_deployment((await read()).id)
    assert await register(file) == [
        f"{NAME}: the deployment was deleted on the server: created again"
    ]

    with pytest.raises(ConfigError, match=f"'{NAME}' is registered for work pool '{pool}'"):
        await register_served(deployments(file))
    assert (await read()).work_pool_name == pool

    async with get_client() as client:
        await client.delete_deployment((await read()).id)
        await register_served(deployments(file))
        deployment = await read()
        assert deployment.work_pool_name is None
        # Prefect pauses served deployments when the process ends.
        changed = DeploymentUpdate(paused=True, tags=["mine"])
        await client.update_deployment(deployment.id, changed)
        weekly = deployment.schedules[0].id
        await client.update_deployment_schedule(deployment.id, weekly, active=True)
    serving = deployments(file)
    kept = "was changed on the server: kept; use --reset to replace the value"
    assert await register_served(serving) == [
        f"{NAME}: schedule 'weekly' (active) {kept}",
        f"{NAME}: `tags` {kept}",
    ]
    await serving[0].aapply()  # As `prefect.serve` does.
    deployment = await read()
    assert (deployment.paused, deployment.tags) == (False, ["mine"])
    assert state_of(deployment) == {"weekly": True}
