"""Ask a person to approve a plan, in Prefect's UI or API.

A run of a deployment is suspended: its process ends, and a worker starts the run again after the
approval. Prefect ends a process that is paused for minutes while its deployment has a concurrency
limit, because the paused run has given its slot back. A run without a deployment, and a subflow,
cannot be suspended: the process waits.

Prefect's server fails a run that is neither approved nor refused in time. The cancellation of a
waiting run is a refusal. Prefect's own pause would wait until the timeout.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput, keyset_from_paused_state
from prefect.states import Cancelled
from pydantic import Field

from prefect_stac_asset.flows.execution.state_names import NOT_APPROVED
from prefect_stac_asset.flows.planning.approval import ApproveAbove, ApprovedAmount
from stac_asset.concurrency import cancel_all
from stac_asset.plan.summary import PlanSummary

_SUSPENDED, _RESUMING = "Suspended", "Resuming"
"""Names of Prefect's states of a suspended run, and of a run that a person resumed."""

_POLL_INTERVAL = 2
"""Seconds between two requests for the state of a paused run."""


class Approval(RunInput):
    """The answer of a person."""

    approve: bool = Field(
        default=True, title="Approve", description="Download the files of the plan."
    )


async def ask(plan: PlanSummary, limit: ApproveAbove, text: str) -> bool:
    """Pause or suspend the flow run until a person answers. Return whether the plan is approved.

    A paused run that a person cancels is not approved.

    Args:
        plan: The plan of the run.
        limit: The parameter `approve_above`.
        text: The description of the plan, in markdown.

    Raises:
        FlowPauseTimeout: No person answered in time.
    """
    run = _current_run()
    question = Approval.with_initial_data(description=text)
    seconds, key = max(1, round(limit.hours * 3600)), ApprovedAmount.of(plan).key(run.run_count)
    get_run_logger().warning("Waiting for approval: %s", text)
    answer: Approval | None
    if run.deployment_id is not None and run.parent_task_run_id is None:
        answer = await asuspend_flow_run(wait_for_input=question, timeout=seconds, key=key)
    else:
        answer = await _pause(run.id, question, seconds, key)
    return answer is not None and answer.approve


async def _pause(run_id: UUID, question: type[Approval], seconds: int, key: str) -> Approval | None:
    """Pause the flow run until a person answers, and return None if a person cancels the run.

    Raises:
        FlowPauseTimeout: No person answered in time.
    """
    paused = asyncio.ensure_future(
        apause_flow_run(
            wait_for_input=question, timeout=seconds, key=key, poll_interval=_POLL_INTERVAL
        )
    )
    cancelled = asyncio.ensure_future(_wait_for_cancellation(run_id))
    try:
        await asyncio.wait((paused, cancelled), return_when=asyncio.FIRST_COMPLETED)
        if paused.done():
            return paused.result()
        cancelled.result()
        return None
    finally:
        await cancel_all((paused, cancelled))


async def _wait_for_cancellation(run_id: UUID) -> None:
    async with get_client() as client:
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            found = await client.read_flow_run(run_id)
            if found.state_type in (StateType.CANCELLING, StateType.CANCELLED):
                return


async def answers() -> dict[ApprovedAmount, bool]:
    """Return the amounts that persons approved or refused in this flow run.

    A run that was suspended starts again, and needs the answers of the earlier process. A
    suspension that ended without an answer, such as one that timed out, is left out.
    """
    run = _current_run()
    if run.run_count <= 1:
        return {}
    async with get_client() as client:
        states = await client.read_flow_run_states(run.id)
    found = {}
    for state, following in pairwise(sorted(states, key=lambda one: one.timestamp)):
        key = state.state_details.pause_key
        amount = ApprovedAmount.parse(key) if key is not None and state.name == _SUSPENDED else None
        if amount is not None and following.name == _RESUMING:
            answer = await Approval.aload(keyset_from_paused_state(state), run.id)
            found[amount] = answer.approve
    return found


def refused_state(plan: PlanSummary) -> State[Any]:
    """Return the final state of a run that a person refused.

    Args:
        plan: The plan of the run.
    """
    return Cancelled(name=NOT_APPROVED, message=f"The plan was not approved. {plan}")


def _current_run() -> FlowRun:
    context = FlowRunContext.get()
    assert context is not None, "a flow asks in its own run"
    assert context.flow_run is not None, "a running flow has a run"
    return context.flow_run
