"""Starts a deployment whenever an item has landed: a Prefect automation on this package's events.

    python examples/automation.py FLOW/DEPLOYMENT [COLLECTION]

The deployment gets the parameters `item_id` and `path`, the file of the item's first asset.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.events import EventTrigger, Posture
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore

from flows.events import ITEM_DOWNLOADED

PARAMETERS = {
    "item_id": "{{ event.payload.id }}",
    "path": "{{ event.payload.assets[0].path }}",
}
"""The deployment's parameters, as templates; `docs/events.md` says what an event holds."""


async def create_automation(deployment: str, collection: str | None = None) -> UUID:
    """Creates the automation, and returns its id.

    Args:
        deployment: What to run, as 'flow name/deployment name'.
        collection: The id of the only collection whose items count, if not all do.
    """
    match = {"prefect.resource.id": "stac-asset.item.*"}
    if collection is not None:
        match["stac-asset.collection"] = collection
    async with get_client() as client:
        found = await client.read_deployment_by_name(deployment)
        automation = AutomationCore(
            name=f"{deployment} for each item that lands",
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
                    deployment_id=found.id,
                    parameters={
                        name: {"__prefect_kind": "jinja", "template": template}
                        for name, template in PARAMETERS.items()
                    },
                )
            ],
        )
        return await client.create_automation(automation)


if __name__ == "__main__":
    print(asyncio.run(create_automation(*sys.argv[1:])))
