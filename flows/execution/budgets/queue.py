"""Internal: the shared queue of a rate, as a global concurrency limit of Prefect with slot decay.

A slot is a fraction of a second. Each process adds the time of its allowance, which Prefect always
grants, and waits until the slots before it have decayed. Processes are served in order, and no
process asks repeatedly: a refused request would stop the decay of Prefect's limit for all others.

The limit is the same for all rates, so a rate can be changed at any time.
"""

from __future__ import annotations

from contextlib import suppress

from httpx import HTTPStatusError
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

_SLOTS_PER_SECOND = 10_000
"""Slots that decay in a second. Prefect rounds the decay down to whole slots at each request."""

_MAX_SLOTS = 2**31 - 1
"""Maximum number of slots: 59 hours."""


def queue_name(budget: str, limit: str) -> str:
    """Return the name of the global concurrency limit of a rate.

    Args:
        budget: The name of the budget.
        limit: The name of the limit of the budget.
    """
    return f"stac-asset-budget:{budget}:{limit}"


async def enqueue(client: PrefectClient, name: str, seconds: float) -> float:
    """Add a time to a queue, and return the time of all entries, in seconds.

    Args:
        client: The client of Prefect's API.
        name: The name of the limit. A missing limit is created.
        seconds: The time.
    """
    slots = max(1, round(seconds * _SLOTS_PER_SECOND))
    while True:
        response = await client.increment_concurrency_slots([name], slots, "rate_limit")
        with suppress(ObjectNotFound):
            if response.json():
                limit = await client.read_global_concurrency_limit_by_name(name)
                return limit.active_slots / _SLOTS_PER_SECOND if limit.active else 0.0
        await _create(client, name)


async def _create(client: PrefectClient, name: str) -> None:
    new = GlobalConcurrencyLimitCreate(
        name=name, limit=_MAX_SLOTS, slot_decay_per_second=float(_SLOTS_PER_SECOND)
    )
    try:
        await client.create_global_concurrency_limit(new)
    except (ObjectAlreadyExists, HTTPStatusError):
        # Another process was faster. Prefect then answers 409, or 500 for simultaneous requests.
        await client.read_global_concurrency_limit_by_name(name)
