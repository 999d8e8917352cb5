"""Internal: the meters of a session, and the recording of received bytes during the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import anyio
from prefect.client.orchestration import PrefectClient, get_client
from prefect.events import Event
from prefect.events.clients import get_events_client
from prefect.logging import get_logger
from prefect.runtime import flow_run

from prefect_stac_asset.flows.execution.budgets.meters import (
    BudgetMeter,
    Reservation,
    Usage,
    meters_of,
)
from prefect_stac_asset.flows.execution.event_names import BUDGET_WARNING
from prefect_stac_asset.flows.parameters.budgets import Budget
from stac_asset.notices import notice

_CHECK_SECONDS = 1.0
"""Seconds between two checks whether received bytes are to be recorded."""

_CLOSE_SECONDS = 30.0
"""Maximum number of seconds to record the last bytes."""

_logger = get_logger("stac_asset")

_reservations: ContextVar[Mapping[BudgetMeter, Reservation]] = ContextVar(
    "reservations",
    default={},  # noqa: B039
)
"""The reservations of the items that are downloaded in this context."""


class _HostMeter:
    """Meters a connection by all budgets of the host, as `stac_asset.transfer.meter.Meter`."""

    __slots__ = ("_client", "_meters", "_paced", "_requests", "_reserved")

    def __init__(self, meters: Sequence[BudgetMeter], client: PrefectClient) -> None:
        reserved = _reservations.get()
        self._client = client
        self._meters = meters
        self._requests = [one.requests for one in meters if one.requests is not None]
        self._paced = [one.bandwidth for one in meters if one.bandwidth is not None]
        self._reserved = [reserved[one] for one in meters if one in reserved]

    async def wait_to_request(self) -> None:
        for rate in self._requests:
            if not rate.take(1):
                await rate.wait(1, self._client)

    def count(self, size: int) -> None:
        for meter in self._meters:
            meter.count(size)
        for reservation in self._reserved:
            reservation.received += size

    def may_continue(self, size: int) -> bool:
        if len(self._paced) == 1:
            return self._paced[0].take(size)
        return not self._paced

    async def wait_to_continue(self, size: int) -> None:
        for rate in self._paced:
            if not rate.take(size):
                await rate.wait(size, self._client)


class SessionMeters:
    """The meters of the budgets of a session. Created by `open_meters`.

    Args:
        meters: The meters of this process.
        client: The client of Prefect's API in the loop of the session.
    """

    def __init__(self, meters: Sequence[BudgetMeter], client: PrefectClient) -> None:
        self._meters = meters
        self._client = client
        self._by_host: dict[tuple[str, str | None], tuple[BudgetMeter, ...]] = {}

    @property
    def limits_bytes(self) -> bool:
        """Whether a budget limits the bytes in 30 days."""
        return any(one.budget.bytes_per_30_days is not None for one in self._meters)

    def meters_of(self, host: str, endpoint: str | None = None) -> tuple[BudgetMeter, ...]:
        """Return the meters of the budgets of a host.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
        """
        found = self._by_host.get((host, endpoint))
        if found is None:
            names = [host] if endpoint is None else [host, endpoint]
            found = tuple(one for one in self._meters if any(map(one.has_host, names)))
            self._by_host[host, endpoint] = found
        return found

    def of(self, host: str, endpoint: str | None = None) -> _HostMeter | None:
        """Return the meter of a connection, if a budget is for its host.

        Args:
            host: The name of the host, or of the bucket.
            endpoint: The host of the service, if `host` is a bucket.
        """
        meters = self.meters_of(host, endpoint)
        return _HostMeter(meters, self._client) if meters else None

    async def admit(self, meter: BudgetMeter, size: int, reservation: Reservation) -> bool:
        """Reserve bytes of a budget for an item, and return whether the budget has as many.

        Args:
            meter: The meter of the budget.
            size: Number of bytes.
            reservation: The reservation to increase.
        """
        is_admitted, usage = await meter.admit(size, reservation, self._client)
        await _warn(usage)
        return is_admitted

    async def keep_recording(self) -> None:
        """Record received bytes from time to time, until the task is cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for meter in self._meters:
                if meter.is_due():
                    try:
                        await _warn(await meter.record(self._client))
                    except Exception as error:  # The next record contains the same bytes.
                        _logger.debug("Cannot record budget '%s': %s", meter.budget.name, error)

    async def close(self, is_last: Mapping[BudgetMeter, bool]) -> None:
        """Record the last bytes.

        Args:
            is_last: Whether this session is the last of the process that uses a meter.
        """
        for meter in self._meters:
            if meter.budget.bytes_per_30_days is None or not (is_last[meter] or meter.is_due()):
                continue
            try:
                await _warn(await meter.record(self._client))
            except Exception as error:
                notice(
                    "Received bytes of a budget could not be recorded, so the budget counts too "
                    "few. Check Prefect's API",
                    f"budget '{meter.budget.name}': {error}",
                )


@asynccontextmanager
async def open_meters(budgets: Sequence[Budget]) -> AsyncIterator[SessionMeters]:
    """Open the meters of a session, and record received bytes until the context ends.

    Args:
        budgets: The budgets of the run.
    """
    async with get_client() as client:
        found = meters_of(budgets)
        meters = SessionMeters(found, client)
        for one in found:
            one.open_session()
        recording = asyncio.create_task(meters.keep_recording()) if meters.limits_bytes else None
        try:
            yield meters
        finally:
            if recording is not None:
                recording.cancel()
                await asyncio.gather(recording, return_exceptions=True)
            is_last = {one: one.close_session() for one in found}
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await meters.close(is_last)


@contextmanager
def reserved(reservations: Mapping[BudgetMeter, Reservation]) -> Iterator[None]:
    """Let the connections that are opened in this context use reservations.

    Args:
        reservations: The reservations, by budget.
    """
    token = _reservations.set(reservations)
    try:
        yield
    finally:
        _reservations.reset(token)


async def _warn(usage: Usage | None) -> None:
    """Send the event about a used share, for automations."""
    if usage is None:
        return
    event = Event.model_validate(
        {
            "event": BUDGET_WARNING,
            "resource": {
                "prefect.resource.id": f"stac-asset.budget.{usage.budget}",
                "prefect.resource.name": usage.budget,
            },
            "related": _related_run(),
            "payload": {"budget": usage.budget, "used": usage.used, "limit": usage.limit},
        }
    )
    try:
        async with get_events_client() as client:
            await client.emit(event)
    except Exception as error:
        _logger.warning("Sending the event about budget '%s' failed: %s", usage.budget, error)


def _related_run() -> list[dict[str, str]]:
    run_id = flow_run.id
    if not run_id:
        return []
    return [
        {
            "prefect.resource.id": f"prefect.flow-run.{run_id}",
            "prefect.resource.role": "flow-run",
        }
    ]
