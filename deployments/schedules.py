"""Verify that a Prefect server makes scheduled runs.

A server whose scheduler fails, or is switched off, answers every request as usual; only the runs
are missing. Runs that exist already prove nothing, since an earlier version of the server may have
made them. The check therefore registers a deployment of its own and waits for the first run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from stac_asset.errors import ConfigError, StacAssetError
from stac_asset.redact import redact_href

PATIENCE = 90.0
"""Seconds until a server counts as one that makes no scheduled runs.

Prefect looks for changed deployments every 5 s and for all deployments every 60 s.
"""

_OLD = (
    "servers of Prefect 3.8 and 3.9.0 make none with SQLAlchemy 2.1, so upgrade the server to "
    "Prefect 3.9.1, or install 'sqlalchemy<2.1' in its environment"
)
_OFF = (
    "its scheduler fails, or is switched off by `--no-services` or "
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED, so look at the log and the settings of the server"
)

_NAME = "check-of-schedules-"
_FIRST_RUN = timedelta(days=30)
_ABANDONED = timedelta(hours=1)


class ScheduleError(StacAssetError):
    """A server makes no scheduled runs."""


@dataclass(frozen=True, slots=True)
class ScheduleCheck:
    """A check that is under way: its deployment is registered.

    Args:
        server: The URL of the server.
        version: The version of Prefect that the server runs.
        client: A client of the server.
        deployment: The id of the deployment.
    """

    server: str
    version: str
    client: PrefectClient
    deployment: UUID

    async def wait(self, patience: float) -> str:
        """Wait for the first run of the deployment, and return a sentence with the result.

        Args:
            patience: Maximum number of seconds to wait.

        Raises:
            ScheduleError: The server made no run.
        """
        name = f"the server at {self.server} (Prefect {self.version})"
        deadline = time.monotonic() + patience
        while not await self._has_run():
            if time.monotonic() > deadline:
                cause = _OLD if self.version.startswith(("3.8.", "3.9.0")) else _OFF
                raise ScheduleError(
                    f"{name} made no scheduled run within {patience:.0f} s: {cause}"
                )
            await asyncio.sleep(0.5)
        return f"{name} makes scheduled runs"

    async def _has_run(self) -> bool:
        only = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        try:
            return bool(await self.client.read_flow_runs(deployment_filter=only, limit=1))
        except httpx.TimeoutException:  # A server on SQLite may be busy for a minute.
            return False


@asynccontextmanager
async def checking_schedules() -> AsyncIterator[ScheduleCheck]:
    """Register a deployment with an active schedule at the server in use, and delete it in the end.

    The first run is a month ahead, and the deployment has no work pool, so no worker takes it.

    Raises:
        ConfigError: PREFECT_API_URL is not set.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "no Prefect server is set: set PREFECT_API_URL, such as http://127.0.0.1:4200/api"
        )
    async with get_client() as client:
        is_cloud = client.server_type is ServerType.CLOUD
        version = "Cloud" if is_cloud else await client.api_version()
        await _delete_abandoned(client)
        flow = await client.create_flow_from_name(f"{_NAME}{uuid4().hex[:8]}")
        try:
            deployment = await client.create_deployment(
                flow,
                "check",
                description="Temporary: `python -m prefect_stac_asset.deployments` checks that runs are scheduled.",
                schedules=[
                    DeploymentScheduleCreate(
                        schedule=IntervalSchedule(
                            interval=timedelta(days=365), anchor_date=datetime.now(UTC) + _FIRST_RUN
                        ),
                        active=True,
                    )
                ],
            )
            yield ScheduleCheck(redact_href(url), version, client, deployment)
        finally:
            # The deployment and its runs are deleted with the flow.
            await client.delete_flow(flow)


async def _delete_abandoned(client: PrefectClient) -> None:
    """Delete the flows of checks whose process was killed."""
    found = await client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(like_=_NAME)))
    for flow in found:
        if flow.created is not None and flow.created < datetime.now(UTC) - _ABANDONED:
            with suppress(ObjectNotFound):  # Another check has just deleted the same one.
                await client.delete_flow(flow.id)
