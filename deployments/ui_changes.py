"""Changes that people made to a deployment on the server, for example in Prefect's UI.

`make up` and `deploy` keep these changes. A value on the server counts as changed if it differs
from the value that the last registration read from `prefect.yaml`. A Prefect variable stores
digests of these values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentScheduleUpdate,
    VariableCreate,
    VariableUpdate,
)
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from pydantic_core import to_jsonable_python

from prefect_stac_asset.deployments.deployment_settings import settings_in_file, settings_on_server

_VARIABLE = "stac-asset-deployment-"
"""Start of the names of the variables. A digest of the name of the deployment follows."""

_END = {
    False: "kept; use --reset to replace the value",
    True: "replaced by the value of the file",
}
"""End of a sentence about a changed value, by whether the file replaces the value."""

_PAUSED = {False: "kept; use --reset to resume the deployment", True: "the deployment was resumed"}
"""End of the sentence about a paused deployment, by whether the deployment is resumed."""

AnySchedule: TypeAlias = DeploymentScheduleCreate | DeploymentScheduleUpdate

Values: TypeAlias = dict[str, dict[str, str]]
"""Digests of values, by kind (`parameters`, `schedules`, `settings`) and name."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a comparison between a file and the server."""

    parameters: dict[str, Any]
    """The parameters to register."""

    schedules: list[AnySchedule]
    """The schedules to register."""

    settings: dict[str, Any]
    """The settings of the server to register in place of those of the file."""

    removed: list[UUID]
    """The schedules to delete, because these are no longer in `prefect.yaml`."""

    differences: list[str]
    """A sentence for each difference between the file and the server."""


def merge(
    listed: RunnerDeployment, server: DeploymentResponse, last: Values | None, reset: bool
) -> Merged:
    """Compare a deployment of `prefect.yaml` with the server, and return the changes to register.

    Args:
        listed: The deployment of the file.
        server: The deployment on the server.
        last: The digests of the last registration, if known. Otherwise each difference counts as a
            change of a person, except those of settings.
        reset: Whether the file replaces changes of people.
    """
    known = last or {}
    parameters, of_parameters = _merge_parameters(listed, server, known.get("parameters"), reset)
    schedules, removed, of_schedules = _merge_schedules(
        listed, server, known.get("schedules"), reset
    )
    settings, of_settings = _merge_settings(listed, server, known.get("settings"), reset)
    name = f"{listed.flow_name}/{listed.name}"
    differences = [f"{name}: {one}" for one in of_parameters + of_schedules + of_settings]
    return Merged(parameters, schedules, settings, removed, differences)


def _merge_parameters(
    listed: RunnerDeployment,
    server: DeploymentResponse,
    known: Mapping[str, str] | None,
    reset: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters to register, and the differences."""
    differences = []
    parameters = to_jsonable_python(listed.parameters)
    for key in sorted(parameters.keys() | server.parameters.keys()):
        on_server = _value(server.parameters, key)
        if not _is_changed(on_server, _value(parameters, key), known, key):
            continue
        differences.append(f"parameter `{key}` was changed on the server: {_END[reset]}")
        if not reset:
            parameters |= {key: server.parameters.get(key)}
            if key not in server.parameters:
                del parameters[key]
    return parameters, differences


def _merge_schedules(
    listed: RunnerDeployment,
    server: DeploymentResponse,
    known: Mapping[str, str] | None,
    reset: bool,
) -> tuple[list[AnySchedule], list[UUID], list[str]]:
    """Return the schedules to register, those to delete, and the differences."""
    differences = []
    schedules: dict[str, AnySchedule] = {str(one.slug): one for one in listed.schedules or []}
    in_file = {slug: _schedule(one) for slug, one in schedules.items()}
    removed = []
    for number, one in enumerate(server.schedules):
        slug = str(one.slug)
        if _is_changed(_schedule(one), in_file.get(slug, _ABSENT), known, slug):
            differences.append(f"{_described(one)} was changed on the server: {_END[reset]}")
            if not reset:
                # Schedules from the UI have no slug.
                schedules[slug if one.slug else f"{slug} {number}"] = _copy(one)
                continue
        if slug not in in_file:
            removed.append(one.id)
            differences.append(f"{_described(one)} was removed")
    remaining = {str(one.slug) for one in server.schedules}
    for slug in (known or {}).keys() & in_file.keys() - remaining:
        differences.append(f"schedule '{slug}' was deleted on the server: {_END[reset]}")
        if not reset:
            del schedules[slug]
    return list(schedules.values()), removed, differences


def _merge_settings(
    listed: RunnerDeployment,
    server: DeploymentResponse,
    known: Mapping[str, str] | None,
    reset: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of the server to keep, and the differences."""
    differences = []
    kept: dict[str, Any] = {}
    in_file, on_server = settings_in_file(listed), settings_on_server(server)
    # Without digests, an earlier version of the file wrote the settings.
    is_replaced = reset or known is None
    for name, value in on_server.items():
        if _is_changed(_value(on_server, name), _value(in_file, name), known, name):
            differences.append(f"`{name}` was changed on the server: {_END[is_replaced]}")
            if not is_replaced:
                kept[name] = value
    # The file has no key for this setting.
    if server.paused:
        differences.append(f"the deployment was paused on the server: {_PAUSED[reset]}")
        kept["paused"] = not reset
    return kept, differences


def _is_changed(on_server: str, in_file: str, known: Mapping[str, str] | None, name: str) -> bool:
    """Return whether a person changed a value on the server.

    Args:
        on_server: The digest of the value on the server.
        in_file: The digest of the value in the file.
        known: The digests of the last registration, if known.
        name: The name of the value.
    """
    return on_server != in_file and (known is None or known.get(name, _ABSENT) != on_server)


def digests(listed: RunnerDeployment) -> Values:
    """Return the digests of the values of a file, for the next registration.

    Args:
        listed: The deployment of the file.
    """
    parameters = to_jsonable_python(listed.parameters)
    settings = settings_in_file(listed)
    return {
        "parameters": {key: _value(parameters, key) for key in parameters},
        "schedules": {str(one.slug): _schedule(one) for one in listed.schedules or []},
        "settings": {key: _value(settings, key) for key in settings},
    }


async def read_digests(client: PrefectClient, listed: RunnerDeployment) -> Values | None:
    """Return the digests of the last registration of a deployment, if any.

    Args:
        client: A client of the server.
        listed: The deployment of the file.
    """
    found = await client.read_variable_by_name(_variable(listed))
    value: Any = found.value if found is not None else None
    return value["digests"] if isinstance(value, dict) and "digests" in value else None


async def write_digests(
    client: PrefectClient, listed: RunnerDeployment, last: Values | None, current: Values
) -> None:
    """Store the digests of a deployment, unless the server has the same digests.

    Args:
        client: A client of the server.
        listed: The deployment of the file.
        last: The stored digests.
        current: The digests to store.
    """
    if current == last:
        return
    name = _variable(listed)
    value = {"deployment": f"{listed.flow_name}/{listed.name}", "digests": current}
    if await client.read_variable_by_name(name) is None:
        await client.create_variable(VariableCreate(name=name, value=value))
    else:
        await client.update_variable(VariableUpdate(name=name, value=value))


def _variable(listed: RunnerDeployment) -> str:
    name = f"{listed.flow_name}/{listed.name}"
    return _VARIABLE + hashlib.sha256(name.encode()).hexdigest()[:16]


_ABSENT = ""
"""Digest of a value that does not exist."""


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _value(values: Mapping[str, Any], name: str) -> str:
    return _digest(values[name]) if name in values else _ABSENT


def _schedule(one: DeploymentSchedule | AnySchedule) -> str:
    time = one.schedule.model_dump(mode="json", exclude_none=True) if one.schedule else None
    return _digest([time, one.active, to_jsonable_python(one.parameters)])


def _described(one: DeploymentSchedule) -> str:
    state = "active" if one.active else "inactive"
    if one.slug is not None:
        return f"schedule '{one.slug}' ({state})"
    time = getattr(one.schedule, "cron", None) or getattr(one.schedule, "interval", None)
    return f"schedule '{time or 'without a slug'}' ({state})"


def _copy(one: DeploymentSchedule) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=one.schedule,
        active=one.active,
        parameters=dict(one.parameters),
        slug=one.slug,
    )
