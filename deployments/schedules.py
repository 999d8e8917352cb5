"""Check that a Prefect server creates scheduled runs.

A server whose scheduler fails or is disabled answers requests as usual, but creates no runs.
Existing runs prove nothing, because an earlier version of the server may have created them. The
check therefore registers a temporary deployment and waits for the first scheduled run.
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

from prefect_stac_asset.blocks.prefect_api import configured_server
from stac_asset.errors import StacAssetError

RUN_TIMEOUT = 90.0
"""Seconds to wait for a scheduled run.

Prefect's scheduler processes changed deployments every 5 s and all deployments every 60 s.
"""

_OLD_VERSION = (
    "Servers of Prefect 3.8 and 3.9.0 create no scheduled runs with SQLAlchemy 2.1. Upgrade the "
    "server to Prefect 3.9.1, or install 'sqlalchemy<2.1' in its environment."
)
_SCHEDULER_OFF = (
    "The scheduler fails, or is disabled by `--no-services` or "
    "`PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED`. Check the log and the settings of the server."
)

_FLOW_PREFIX = "check-of-schedules-"
"""Start of the name of each temporary flow."""

_FIRST_RUN_DELAY = timedelta(days=30)

_ABANDONED_AGE = timedelta(hours=1)
"""Age of a temporary flow after which the check that created the flow counts as killed."""


class ScheduleError(StacAssetError):
    """A Prefect server creates no scheduled runs."""


@dataclass(frozen=True, slots=True)
class ScheduleCheck:
    """A check in progress with a registered temporary deployment.

    Args:
        server: The URL of the server.
        version: The version of Prefect on the server.
        client: A client of the server.
        deployment: The id of the deployment.
    """

    server: str
    version: str
    client: PrefectClient
    deployment: UUID

    async def wait(self, timeout: float) -> str:
        """Wait for the first run of the deployment, and return a sentence with the result.

        Args:
            timeout: Maximum number of seconds to wait.

        Raises:
            ScheduleError: The server created no run.
        """
        server = f"server at {self.server} (Prefect {self.version})"
        deadline = time.monotonic() + timeout
        while not await self._has_run():
            if time.monotonic() > deadline:
                is_old = self.version.startswith(("3.8.", "3.9.0"))
                raise ScheduleError(
                    f"The {server} created no scheduled run within {timeout:.0f} s. "
                    f"{_OLD_VERSION if is_old else _SCHEDULER_OFF}"
                )
            await asyncio.sleep(0.5)
        return f"the {server} creates scheduled runs"

    async def _has_run(self) -> bool:
        own = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        try:
            return bool(await self.client.read_flow_runs(deployment_filter=own, limit=1))
        except httpx.TimeoutException:  # A server on SQLite may be busy for a minute.
            return False


@asynccontextmanager
async def check_schedules() -> AsyncIterator[ScheduleCheck]:
    """Register a temporary deployment with an active schedule until the context ends.

    The run is scheduled in 30 days and the deployment has no work pool, so the run never starts.

    Raises:
        ConfigError: PREFECT_API_URL is not set.
    """
    server = configured_server()
    async with get_client() as client:
        is_cloud = client.server_type is ServerType.CLOUD
        version = "Cloud" if is_cloud else await client.api_version()
        await _delete_abandoned(client)
        flow = await client.create_flow_from_name(f"{_FLOW_PREFIX}{uuid4().hex[:8]}")
        try:
            deployment = await client.create_deployment(
                flow,
                "check",
                description=(
                    "Temporary deployment of `python -m prefect_stac_asset.deployments`, which "
                    "checks that the server creates scheduled runs."
                ),
                schedules=[
                    DeploymentScheduleCreate(
                        schedule=IntervalSchedule(
                            interval=timedelta(days=365),
                            anchor_date=datetime.now(UTC) + _FIRST_RUN_DELAY,
                        ),
                        active=True,
                    )
                ],
            )
            yield ScheduleCheck(server, version, client, deployment)
        finally:
            # Deletes the deployment and its runs, too.
            await client.delete_flow(flow)


async def _delete_abandoned(client: PrefectClient) -> None:
    """Delete the temporary flows of killed checks."""
    found = await client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(like_=_FLOW_PREFIX)))
    for flow in found:
        if flow.created is not None and flow.created < datetime.now(UTC) - _ABANDONED_AGE:
            with suppress(ObjectNotFound):  # Another check has just deleted the flow.
                await client.delete_flow(flow.id)
