"""Internal: the records of budgets, as Prefect variables.

Prefect cannot update a variable conditionally, but refuses a second variable of the same name. So
each version of a record is a new variable, named by its number, and only one process can create the
next version. A process whose version exists already reads the record again.

Versions are removed some time after a later one exists. A process that was suspended for longer
between reading and writing could create a removed version again. Such a version is discarded.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate
from prefect.client.schemas.objects import Variable
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from prefect_stac_asset.flows.execution.budgets.record import Record, of_json, to_json

_T = TypeVar("_T")

_PREFIX = "stac_asset_budget_"

_KEPT_SECONDS = 60
"""Seconds for which earlier versions are kept, by the clock of the server."""

_MAX_SECONDS = 20.0
"""Maximum number of seconds between reading a version and creating the next version."""

_MAX_WAIT = 1.0
"""Maximum wait, in seconds, after another process has created the next version."""

_PAGE = 200
"""Maximum number of variables to read at once."""


@dataclass(frozen=True, slots=True)
class _RecordVersion:
    number: int
    variable: Variable


async def read_record(client: PrefectClient, budget: str) -> Record:
    """Return the record of a budget.

    Args:
        client: The client of Prefect's API.
        budget: The name of the budget.
    """
    versions = await _versions(client, budget)
    return of_json(versions[0].variable.value) if versions else Record()


async def update_record(
    client: PrefectClient, budget: str, change: Callable[[Record], tuple[Record, _T]]
) -> _T:
    """Change the record of a budget. Changes of other processes are never lost.

    Args:
        client: The client of Prefect's API.
        budget: The name of the budget.
        change: Returns the changed record, and the result of this function. It is called again if
            another process has changed the record.
    """
    wait = 0.02
    while True:
        started = time.monotonic()
        versions = await _versions(client, budget)
        before = of_json(versions[0].variable.value) if versions else Record()
        after, result = change(before)
        number = versions[0].number + 1 if versions else 1
        created = await _create(client, budget, number, after)
        if created is not None:
            if time.monotonic() - started <= _MAX_SECONDS:
                await _remove_earlier(client, versions, created)
                return result
            with suppress(ObjectNotFound):
                await client.delete_variable_by_name(created.name)
        await asyncio.sleep(random.uniform(0, wait))
        wait = min(2 * wait, _MAX_WAIT)


def budget_tag(budget: str) -> str:
    """Return the tag of the variables of a budget.

    Args:
        budget: The name of the budget.
    """
    return f"stac-asset-budget:{budget}"


async def _versions(client: PrefectClient, budget: str) -> list[_RecordVersion]:
    """Return the versions of a record, the latest first."""
    response = await client.request(
        "POST",
        "/variables/filter",
        json={
            "variables": {"tags": {"all_": [budget_tag(budget)]}},
            "sort": "NAME_DESC",
            "limit": _PAGE,
        },
    )
    found = []
    for variable in Variable.model_validate_list(response.json()):
        match = re.fullmatch(re.escape(_PREFIX + budget) + r"_(\d{12})", variable.name)
        if match is not None:
            found.append(_RecordVersion(int(match[1]), variable))
    return found


async def _create(
    client: PrefectClient, budget: str, number: int, record: Record
) -> Variable | None:
    """Create a version, and return the variable, unless another process was faster."""
    writer = secrets.token_hex(8)
    name = f"{_PREFIX}{budget}_{number:012}"
    value = {**to_json(record), "writer": writer}
    new = VariableCreate(name=name, value=value, tags=[budget_tag(budget)])
    try:
        return await client.create_variable(new)
    except ObjectAlreadyExists:
        # The client repeats a request without a response, which may have created the variable.
        found = await client.read_variable_by_name(name)
        if found is None or not isinstance(found.value, dict):
            return None
        return found if found.value.get("writer") == writer else None


async def _remove_earlier(
    client: PrefectClient, earlier: list[_RecordVersion], created: Variable
) -> None:
    until = _time(created) - timedelta(seconds=_KEPT_SECONDS)
    for version in earlier:
        if _time(version.variable) < until:
            with suppress(ObjectNotFound):  # Another process removes the same versions.
                await client.delete_variable_by_name(version.variable.name)


def _time(variable: Variable) -> datetime:
    assert variable.created is not None, "the server sets the time of creation"
    return variable.created
