"""Create Prefect automations.

- `run_for_each_item` runs a deployment for each downloaded item, with the parameters of
  `prefect_stac_asset.deployments.item_parameters`.
- `watch_heartbeats` runs the deployment `end-crashed-runs` when the heartbeats of a run stop.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.events import EventTrigger, Posture
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.deployments.crashed_runs import ACTIVE_RUNS, HEARTBEAT
from prefect_stac_asset.deployments.item_parameters import item_parameters
from prefect_stac_asset.flows.execution.event_names import ITEM_DOWNLOADED
from prefect_stac_asset.flows.execution.state_names import ENDED
from stac_asset.errors import ConfigError

_HEARTBEAT_TIMEOUT = timedelta(seconds=90)
"""Time without a heartbeat after which `end-crashed-runs` examines the runs.

`prefect.yaml` sets 30 seconds between two heartbeats.
"""


async def run_for_each_item(deployment: str, collection: str | None = None) -> UUID:
    """Create or update the automation, and return the id of the automation.

    Args:
        deployment: The deployment to run, as 'flow name/deployment name'.
        collection: The id of a collection. Items of other collections are then ignored.

    Raises:
        ConfigError: The deployment does not exist, or does not accept the parameters of an item.
    """
    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(deployment)
        except (json.JSONDecodeError, UnicodeDecodeError):
            # The server is not a Prefect server. Both errors are subclasses of ValueError.
            raise
        except (ObjectNotFound, ValueError):
            raise ConfigError(
                f"Deployment '{deployment}' does not exist. Set DEPLOYMENT to "
                "'flow name/deployment name'."
            ) from None
        parameters = item_parameters(
            deployment, found.parameter_openapi_schema, found.parameters or {}
        )
        automation = _automation(deployment, found.id, collection, parameters)
        for old in await client.read_automations_by_name(automation.name):
            await client.update_automation(old.id, automation)
            return old.id
        return await client.create_automation(automation)


async def watch_heartbeats(deployment: UUID, watched: Iterable[UUID]) -> None:
    """Create or update the automation that runs `end-crashed-runs`.

    If a run of a watched deployment is active, the deployment is also run now: the server forgets
    the heartbeats before the update of an automation.

    Args:
        deployment: The id of the deployment `end-crashed-runs`.
        watched: The ids of the deployments whose runs are watched.
    """
    automation = _heartbeat_automation(deployment, sorted(map(str, watched)))
    async with get_client() as client:
        for old in await client.read_automations_by_name(automation.name):
            await client.update_automation(old.id, automation)
            break
        else:
            await client.create_automation(automation)
        of_watched = DeploymentFilter(id=DeploymentFilterId(any_=list(watched)))
        if await client.read_flow_runs(
            flow_run_filter=ACTIVE_RUNS, deployment_filter=of_watched, limit=1
        ):
            await client.create_flow_run_from_deployment(deployment)


def _heartbeat_automation(deployment: UUID, watched: Sequence[str]) -> AutomationCore:
    ended = {f"prefect.flow-run.{state}" for state in ENDED if state != "Cancelling"}
    return AutomationCore(
        name="end crashed runs of prefect-stac-asset",
        description="Runs the deployment end-crashed-runs when a run has no process any more.",
        trigger=EventTrigger(
            # A run that is cancelled before its process starts sends no heartbeat.
            after={HEARTBEAT, "prefect.flow-run.Cancelling"},
            expect={HEARTBEAT, *ended},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={
                "prefect.resource.role": "deployment",
                "prefect.resource.id": [f"prefect.deployment.{one}" for one in watched],
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=_HEARTBEAT_TIMEOUT,
        ),
        actions=[RunDeployment(source="selected", deployment_id=deployment)],
    )


def _automation(
    deployment: str, deployment_id: UUID, collection: str | None, parameters: dict[str, Any]
) -> AutomationCore:
    match = {"prefect.resource.id": "stac-asset.item.*"}
    name = f"{deployment} for each downloaded item"
    if collection is not None:
        match["stac-asset.collection"] = collection
        name += f" in {collection}"
    return AutomationCore(
        name=name,
        trigger=EventTrigger(
            expect={ITEM_DOWNLOADED},
            match=match,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(source="selected", deployment_id=deployment_id, parameters=parameters)
        ],
    )
