"""Flow `end-crashed-runs`: end flow runs of stopped processes, on any machine.

The process of a run that was killed, or whose machine stopped, cannot report a final state. Its run
stays Running, and holds a slot of the concurrency limit. Prefect's flow engine sends a heartbeat
event every `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` seconds. An automation starts this flow when the
heartbeats of a run stop (`automations.py`).

Heartbeats can also stop while the server is down or the machine is suspended. Therefore the flow
waits, and ends a run only if none of its heartbeats arrives during that time.

A run that was cancelled before its process started has no heartbeat, and no process confirms the
cancellation. The flow ends such a run too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOrder,
    EventResourceFilter,
)
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Crashed

from prefect_stac_asset.flows.parameters.form import titled

ACTIVE_RUNS = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(
            any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
        )
    )
)
"""Filter for flow runs that hold a slot of the deployment's concurrency limit."""

ENTRYPOINT = "prefect_stac_asset.deployments.crashed_runs.end_crashed_runs"
"""Entrypoint of the flow in `prefect.yaml`."""

HEARTBEAT = "prefect.flow-run.heartbeat"
"""Name of the event that Prefect's flow engine sends."""

_PACKAGE = "prefect_stac_asset."
"""Start of the entrypoints of this package's flows."""

_DEFAULT_INTERVAL = 180.0
"""Seconds between two heartbeats, if Prefect's setting is empty."""

_MESSAGE = (
    "The process of the flow run has stopped: no heartbeat arrived. The next run resumes the "
    "download."
)
"""Message of the final state."""

_PAGE = 200
"""Number of flow runs per request. Prefect's server allows at most 200."""

_INTERVALS = 2.0
"""Number of intervals without a heartbeat after which a run counts as crashed."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of a flow run."""

    event: UUID
    """The id of the event."""

    interval: float | None
    """Seconds since the previous heartbeat, if any."""


@flow(name="end-crashed-runs", retries=3, retry_delay_seconds=30)
async def end_crashed_runs(
    wait: Annotated[float | None, titled("Wait in seconds")] = None,
) -> list[str]:
    """End flow runs of stopped processes.

    Runs that never sent a heartbeat are not changed, unless they are being cancelled.

    Args:
        wait: Seconds without a heartbeat after which a run is ended. By default, two intervals
            between heartbeats.

    Returns:
        The names of the ended runs.
    """
    async with get_client() as client:
        runs = await _active_runs(client)
        before = await _heartbeats(client, runs)
        cancelled = {run.id for run in runs if _is_cancelling(run)} - before.keys()
        if not before and not cancelled:
            return []
        setting = get_current_settings().flows.heartbeat_frequency or _DEFAULT_INTERVAL
        await asyncio.sleep(waiting_time(before.values(), setting) if wait is None else wait)
        after = await _heartbeats(client, runs)
        crashed = stopped_runs(before, after) | (cancelled - after.keys())
        ended = []
        for run in runs:
            if run.id in crashed and await _end(client, run.id):
                get_run_logger().warning("Flow run '%s' has no process, and was ended.", run.name)
                ended.append(run.name)
        return ended


def waiting_time(heartbeats: Iterable[Heartbeat], setting: float) -> float:
    """Return the seconds to wait for the next heartbeat of each run.

    Args:
        heartbeats: The last heartbeats of the runs.
        setting: The interval between the heartbeats of this flow run, in seconds. Applies to runs
            that sent a single heartbeat, and if there is no heartbeat.
    """
    return _INTERVALS * max((one.interval or setting for one in heartbeats), default=setting)


def stopped_runs(before: Mapping[UUID, Heartbeat], after: Mapping[UUID, Heartbeat]) -> set[UUID]:
    """Return the runs without a new heartbeat.

    The ids of events are compared, because the clocks of the machines may differ.

    Args:
        before: The last heartbeats before the wait, by run.
        after: The last heartbeats after the wait, by run.
    """
    return {run for run, one in before.items() if run in after and after[run].event == one.event}


async def read_active_runs(
    client: PrefectClient, work_pool: WorkPoolFilter | None = None
) -> list[FlowRun]:
    """Return all active flow runs, with several requests if necessary.

    Args:
        client: A client of the Prefect server.
        work_pool: The work pool of the runs. By default, the runs of all work pools.
    """
    found: list[FlowRun] = []
    while True:
        # Offsets would skip runs, because active runs end between two requests.
        others = FlowRunFilterId(not_any_=[run.id for run in found])
        page = await client.read_flow_runs(
            flow_run_filter=ACTIVE_RUNS.model_copy(update={"id": others} if found else {}),
            work_pool_filter=work_pool,
            limit=_PAGE,
        )
        found += page
        if len(page) < _PAGE:
            return found


async def _active_runs(client: PrefectClient) -> list[FlowRun]:
    """Return the active runs of the deployments of this package's flows."""
    runs = await read_active_runs(client)
    found = []
    entrypoints: dict[UUID, str] = {}
    for run in runs:
        deployment = run.deployment_id
        if deployment is None:
            continue
        if deployment not in entrypoints:
            try:
                entrypoints[deployment] = (
                    await client.read_deployment(deployment)
                ).entrypoint or ""
            except ObjectNotFound:
                entrypoints[deployment] = ""
        if entrypoints[deployment].startswith(_PACKAGE):
            found.append(run)
    return found


async def _heartbeats(client: PrefectClient, runs: Iterable[FlowRun]) -> dict[UUID, Heartbeat]:
    """Return the last heartbeat of each run, if any."""
    found = {}
    for run in runs:
        events = EventFilter(
            event=EventNameFilter(name=[HEARTBEAT]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
            order=EventOrder.DESC,
        )
        page = await client.read_events(events, limit=2)
        if page.events:
            last, *earlier = page.events
            gap = (last.occurred - earlier[0].occurred).total_seconds() if earlier else None
            found[run.id] = Heartbeat(last.id, gap)
    return found


def _is_cancelling(run: FlowRun) -> bool:
    return run.state_type is StateType.CANCELLING


async def _end(client: PrefectClient, run_id: UUID) -> bool:
    """Set a run to a final state, and return whether the run was still active."""
    state = (await client.read_flow_run(run_id)).state
    if state is None or state.is_final():
        return False
    final = Cancelled if state.type is StateType.CANCELLING else Crashed
    await client.set_flow_run_state(run_id, final(message=_MESSAGE))
    return True
