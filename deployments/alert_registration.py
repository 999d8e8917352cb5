"""Create the alerts of a deployment on a server, as automations that notify or run a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.deployments.alerts import Alert, Conditions, alerts
from stac_asset.errors import ConfigError


async def create_alerts(
    deployment: str,
    notify: str | None = None,
    run: str | None = None,
    conditions: Conditions | None = None,
) -> list[str]:
    """Create or update the alerts of a deployment, and return the names of the automations.

    Args:
        deployment: The watched deployment, as 'flow name/deployment name'.
        notify: A saved notification block that sends the alerts, as 'block type/name'.
        run: A deployment that is run for each alert, as 'flow name/deployment name'. A parameter
            `alert` of its flow receives the condition as text.
        conditions: When the alerts are sent. By default, those of `Conditions()`.

    Raises:
        ConfigError: A deployment or block does not exist, neither `notify` nor `run` is given, the
            deployment of `run` requires further parameters, or a condition is invalid.
    """
    conditions = conditions or Conditions()
    conditions.validate()
    if notify is None and run is None:
        raise ConfigError("`notify` and `run` are missing. Set `notify` to a notification block.")
    async with get_client() as client:
        watched = await _deployment(client, deployment, "deployment")
        target = await _deployment(client, run, "run") if run is not None else None
        block = await _block(client, notify) if notify is not None else None
        names = []
        for alert in alerts(deployment, watched.id, conditions):
            actions = list(_actions(alert, block, target))
            automation = AutomationCore(
                name=alert.name, description=alert.subject, trigger=alert.trigger, actions=actions
            )
            await _save(client, automation)
            names.append(alert.name)
        return names


def _actions(
    alert: Alert, block: UUID | None, target: DeploymentResponse | None
) -> Iterator[SendNotification | RunDeployment]:
    if block is not None:
        yield SendNotification(block_document_id=block, subject=alert.subject, body=alert.body)
    if target is not None:
        accepted = (target.parameter_openapi_schema or {}).get("properties", {})
        parameters = {"alert": alert.subject} if "alert" in accepted else {}
        yield RunDeployment(source="selected", deployment_id=target.id, parameters=parameters)


async def _save(client: PrefectClient, automation: AutomationCore) -> None:
    for old in await client.read_automations_by_name(automation.name):
        await client.update_automation(old.id, automation)
        return
    await client.create_automation(automation)


async def _deployment(client: PrefectClient, name: str, parameter: str) -> DeploymentResponse:
    try:
        found = await client.read_deployment_by_name(name)
    except (json.JSONDecodeError, UnicodeDecodeError):
        # The server is not a Prefect server. Both errors are subclasses of ValueError.
        raise
    except (ObjectNotFound, ValueError):
        raise ConfigError(
            f"Deployment '{name}' does not exist. Set `{parameter}` to 'flow name/deployment name'."
        ) from None
    if parameter == "run":
        _check_required(name, found.parameter_openapi_schema or {}, found.parameters or {})
    return found


def _check_required(name: str, schema: dict[str, Any], stored: dict[str, Any]) -> None:
    for required in schema.get("required", ()):
        if required not in stored and required != "alert":
            raise ConfigError(
                f"Deployment '{name}' requires the parameter `{required}`, which the alert does "
                f"not pass. Give `{required}` a default value."
            )


async def _block(client: PrefectClient, reference: str) -> UUID:
    block_type, _, name = reference.partition("/")
    try:
        return (await client.read_block_document_by_name(name, block_type)).id
    except (ObjectNotFound, ValueError):
        raise ConfigError(
            f"Block '{reference}' is not saved. Set `notify` to 'block type/name', such as "
            "'slack-webhook/operators'."
        ) from None
