"""Create a Prefect automation that runs a deployment for each downloaded item.

The deployment receives the parameters `item_id` and `path`, the path of the item's first asset.
"""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.events import EventTrigger, Posture
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.flows.reporting.events import ITEM_DOWNLOADED
from stac_asset.errors import ConfigError

_PARAMETERS = {
    "item_id": "{{ event.payload.id }}",
    "path": "{{ event.payload.assets[0].path }}",
}
"""Parameters of the deployment, as Jinja templates. `docs/events.md` documents the events."""


async def run_for_each_item(deployment: str, collection: str | None = None) -> UUID:
    """Create or update the automation, and return the id of the automation.

    Args:
        deployment: The deployment to run, as 'flow name/deployment name'.
        collection: The id of a collection. Items of other collections are then ignored.

    Raises:
        ConfigError: The deployment does not exist.
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
        automation = _automation(deployment, found.id, collection)
        for old in await client.read_automations_by_name(automation.name):
            await client.update_automation(old.id, automation)
            return old.id
        return await client.create_automation(automation)


def _automation(deployment: str, deployment_id: UUID, collection: str | None) -> AutomationCore:
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
            RunDeployment(
                source="selected",
                deployment_id=deployment_id,
                parameters={
                    name: {"__prefect_kind": "jinja", "template": template}
                    for name, template in _PARAMETERS.items()
                },
            )
        ],
    )
