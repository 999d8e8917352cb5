"""An automation that notifies a person if a run of a deployment fails.

    python examples/notify.py FLOW/DEPLOYMENT BLOCK-TYPE/NAME

For example `sync/sync slack-webhook/operators`. The second argument is a saved notification block.
Prefect has block types for email, Slack, Microsoft Teams, PagerDuty and others. Create a block in
the UI, under Blocks. A second call replaces the automation.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.events import EventTrigger, Posture, SendNotification


async def notify_of_failures(deployment: str, block: str) -> None:
    """Create the automation, and remove those of earlier calls.

    Args:
        deployment: The deployment, as 'flow name/deployment name'.
        block: The notification block, as 'block type/name'.
    """
    block_type, _, name = block.partition("/")
    async with get_client() as client:
        watched = await client.read_deployment_by_name(deployment)
        notification = await client.read_block_document_by_name(name, block_type)
        automation_name = f"notify of failed runs of {deployment}"
        for earlier in await client.read_automations_by_name(automation_name):
            await client.delete_automation(earlier.id)
    automation = Automation(
        name=automation_name,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={
                "prefect.resource.role": "deployment",
                "prefect.resource.id": f"prefect.deployment.{watched.id}",
            },
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=notification.id,
                subject=f"{deployment} failed",
                body="{{ flow_run.name }}: {{ flow_run.state.message }}\n{{ flow_run | ui_url }}",
            )
        ],
    )
    await automation.acreate()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python examples/notify.py FLOW/DEPLOYMENT BLOCK-TYPE/NAME")
    asyncio.run(notify_of_failures(*sys.argv[1:]))
