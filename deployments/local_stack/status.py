"""Internal: state of the processes, flow runs and deployments of a local server."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort

from prefect_stac_asset.deployments.crashed_runs import read_active_runs

_PAGE = 100
"""Number of deployments that are read at a time. Prefect returns at most 200 flows."""

_NEXT_RUNS = 5
"""Maximum number of late runs, and of scheduled runs."""

_INDENT = 13 * " "
"""Start of the further lines of a message."""

_LATE = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
_SCHEDULED = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]),
        name=FlowRunFilterStateName(not_any_=["Late"]),
    )
)
_ENDED = FlowRunFilter(
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES)))
)


@dataclass(frozen=True, slots=True)
class Process:
    """A background process."""

    description: str
    """Name and place of the process, such as the URL of the server."""

    since: datetime | None
    """Start of the process. None if the process is not running."""

    log: Path
    """The log file."""


@dataclass(frozen=True, slots=True)
class DeploymentRun:
    """A flow run of a deployment."""

    deployment: str
    """The deployment, as 'flow name/deployment name'."""

    name: str
    state: str
    time: datetime | None
    """Time of the state, or the expected start of a scheduled run."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a server that `status` shows."""

    active: list[DeploymentRun]
    late: list[DeploymentRun]
    """Runs whose start has passed, at most five."""

    scheduled: list[DeploymentRun]
    """The next scheduled runs, at most five."""

    last: dict[str, DeploymentRun | None]
    """The last ended run of each deployment, by deployment."""


def status_lines(
    processes: Iterable[Process], runs: Runs | None, width: int | None = None
) -> Iterator[str]:
    """Yield the lines that `status` prints.

    Args:
        processes: The server and the workers.
        runs: The runs of the server. None if the server is not running.
        width: Maximum length of a line in characters. None for lines of any length.
    """
    for entry in _entries(processes, runs):
        first, *further = entry.splitlines()
        for line in (first, *(_INDENT + one for one in further)):
            if width is None:
                yield line
            else:
                yield from textwrap.wrap(
                    line,
                    width,
                    subsequent_indent=_INDENT,
                    break_long_words=False,
                    break_on_hyphens=False,
                )


def _entries(processes: Iterable[Process], runs: Runs | None) -> Iterator[str]:
    """Yield a text for each process, run and deployment. Messages can have several lines."""
    for process in processes:
        state = "stopped" if process.since is None else f"running since {_shown(process.since)}"
        yield f"{process.description}, {state}, log in {process.log}"
    if runs is None:
        return
    for run in runs.active:
        yield f"active run   {run.deployment}: '{run.name}' {run.state} since {_shown(run.time)}"
    for run in runs.late:
        yield f"late run     {run.deployment}: late since {_shown(run.time)}"
    for run in runs.scheduled:
        yield f"next run     {run.deployment}: {_shown(run.time)}"
    if not (runs.late or runs.scheduled):
        yield "next run     none: no schedule is active"
    for deployment, last in runs.last.items():
        if last is None:
            yield f"last result  {deployment}: no run has ended"
        else:
            message = f": {last.message}" if last.message else ""
            yield f"last result  {deployment}: {last.state} at {_shown(last.time)}{message}"


async def read_runs() -> Runs:
    """Return the runs of all deployments of the server in Prefect's settings."""
    async with get_client() as client:
        deployments = await _read_deployments(client)
        names: dict[UUID | None, str] = {one.id: name for name, one in deployments}
        active = await read_active_runs(client)
        late, scheduled = [
            await client.read_flow_runs(
                flow_run_filter=waiting,
                sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
                limit=_NEXT_RUNS,
            )
            for waiting in (_LATE, _SCHEDULED)
        ]
        ended = await asyncio.gather(*(_last(client, one) for _, one in deployments))
        return Runs(
            [_run(run, names.get(run.deployment_id)) for run in active],
            [_run(run, names.get(run.deployment_id)) for run in late],
            [_run(run, names.get(run.deployment_id)) for run in scheduled],
            {
                name: _run(run, name) if run else None
                for (name, _), run in zip(deployments, ended, strict=True)
            },
        )


async def _read_deployments(client: PrefectClient) -> list[tuple[str, DeploymentResponse]]:
    """Return all deployments with their full names, sorted by name."""
    named: list[tuple[str, DeploymentResponse]] = []
    page = None
    while page is None or len(page) == _PAGE:
        page = await client.read_deployments(
            limit=_PAGE, offset=len(named), sort=DeploymentSort.NAME_ASC
        )
        ids = list({one.flow_id for one in page})
        flows = await client.read_flows(flow_filter=FlowFilter(id=FlowFilterId(any_=ids)))
        names = {flow.id: flow.name for flow in flows}
        named += [(f"{names.get(one.flow_id)}/{one.name}", one) for one in page]
    return sorted(named, key=lambda each: each[0])


async def _last(client: PrefectClient, deployment: DeploymentResponse) -> FlowRun | None:
    found = await client.read_flow_runs(
        flow_run_filter=_ENDED,
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    return found[0] if found else None


def _run(run: FlowRun, deployment: str | None) -> DeploymentRun:
    state = run.state
    is_scheduled = run.state_type is StateType.SCHEDULED
    return DeploymentRun(
        deployment or "no deployment",
        run.name,
        run.state_name or "Unknown",
        run.next_scheduled_start_time or run.expected_start_time
        if is_scheduled or state is None
        else state.timestamp,
        (state.message or "").strip() if state is not None else "",
    )


def _shown(time: datetime | None) -> str:
    """Return a time in the time zone of this machine."""
    return "an unknown time" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"
