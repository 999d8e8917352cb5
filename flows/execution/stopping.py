"""Stop the submitted tasks of a flow run, in threads, other processes and on other machines.

The flow itself cancels the tasks that it awaits. Submitted tasks may run in another process or on
another machine, but all of them can reach Prefect's API. To stop them, the flow sets a label of the
flow run through the API. Each submitted task reads the flow run before the task begins, and
repeatedly afterwards. No shared disk is needed. A submitted task also stops if the flow run was
cancelled, failed or crashed.

A task run belongs to a flow run that called or submitted the task run before the flow run ended.
Task runs that a hook of the flow starts after the end of the flow run are not stopped. The state in
the context of the task run distinguishes the two. That is the state that the flow's process knew
when the task run was called or submitted (see `prefect_stac_asset.flows.execution.stoppable`), so
no clocks are compared. Hooks that Prefect calls outside of the context of the run (on_cancellation,
on_crashed) have no flow run at all. The hooks of a task are called while the flow run continues, so
their tasks belong to the flow run.

A label stops the task runs of its attempt of the flow run and of earlier attempts. A retry of the
flow is a later attempt, so its tasks are not stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from prefect import State, get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from prefect_stac_asset.flows.execution.flow import AssetFlow
from prefect_stac_asset.flows.execution.retries import is_last_attempt, is_retryable
from prefect_stac_asset.flows.execution.states import stopped_state

_R = TypeVar("_R")

STOPPING = "stac_asset.stopping"
"""Label of a flow run that stops the tasks. The value is the number of the attempt."""

_SESSION_INTERVAL = 0.2
"""Seconds between two checks of the session of a flow in this process."""

_API_INTERVAL = 3.0
"""Seconds between two requests for the state of the flow run."""

_STOPPING_STATES = {
    StateType.CANCELLING,
    StateType.CANCELLED,
    StateType.FAILED,
    StateType.CRASHED,
}
"""States of a flow run that stop the tasks, also without the label."""

_logger = logging.getLogger(__name__)


class StoppableSession(Protocol):
    """A session of a flow run or task run that may be stopping."""

    stopping: bool


async def stop_submitted() -> None:
    """Set the label that stops the submitted tasks of the current flow run.

    A failed request is only logged, because the caller raises another error.
    """
    try:
        async with get_client() as client:
            run = await client.read_flow_run(UUID(flow_run.id))
            await client.update_flow_run_labels(run.id, {STOPPING: run.run_count})
    except Exception as error:
        get_run_logger().warning("Cannot stop the submitted tasks of the flow run: %s", error)


@asynccontextmanager
async def stop_run_on_failure(fail_fast: bool) -> AsyncIterator[None]:
    """Stop the other tasks of the flow run when the last attempt of a submitted task fails.

    The flow itself would react too late: the task runner starts the next task before the flow
    knows of the failure. Only flows of this package are stopped, and only before they have ended.

    Args:
        fail_fast: Whether a failure stops the other tasks. If False, the error is only passed on.
    """
    try:
        yield
    except Exception as error:
        if fail_fast and _is_asset_flow() and (is_last_attempt() or not is_retryable(error)):
            await stop_submitted()
        raise


async def run_until_stopping(
    work: Coroutine[Any, Any, _R], session: StoppableSession, fail_fast: bool
) -> _R | State[Any]:
    """Return the result of a task that is awaited in the loop of the flow.

    Args:
        work: The work of the task. The flow cancels it to stop the task.
        session: The session of the flow. If the work is cancelled while the session is stopping,
            the state Cancelled is returned.
        fail_fast: Whether the first failure stops the run.
    """
    try:
        return await work
    except asyncio.CancelledError:
        if session.stopping:
            return stopped_state(fail_fast)
        raise


def _running_flow() -> FlowRunContext | None:
    """Return the context of the flow run that the task run belongs to, if any."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    state = context.flow_run.state
    has_ended = state is not None and (state.is_final() or state.is_cancelling())
    return None if has_ended else context


def _is_asset_flow() -> bool:
    context = _running_flow()
    return context is not None and isinstance(context.flow, AssetFlow)


@dataclass(frozen=True, slots=True)
class StopMonitor:
    """Detects that the flow run of a task run is being stopped.

    Args:
        run_id: The id of the flow run. Without a flow run, the monitor does nothing.
        attempt: The attempt of the flow run that called or submitted the task run.
        flow_session: The session of the flow, if the flow is in this process.
        fail_fast: Whether the first failure stops the run.
    """

    run_id: UUID | None
    attempt: int
    flow_session: StoppableSession | None
    fail_fast: bool

    @classmethod
    def of_task_run(cls, flow_session: StoppableSession | None, fail_fast: bool) -> StopMonitor:
        """Return the monitor of the current task run.

        Args:
            flow_session: The session of the flow, if the flow is in this process.
            fail_fast: Whether the first failure stops the run.
        """
        context = _running_flow()
        if context is None or context.flow_run is None:
            return cls(None, 0, None, fail_fast)
        return cls(context.flow_run.id, context.flow_run.run_count, flow_session, fail_fast)

    async def stopped(self) -> State[Any] | None:
        """Return the state Cancelled if the flow run is already being stopped."""
        if self.run_id is None:
            return None
        async with get_client() as client:
            return self._check_session() or await self._check_api(client, self.run_id)

    async def until_stopped(
        self, work: Coroutine[Any, Any, _R], task_session: StoppableSession | None = None
    ) -> _R | State[Any]:
        """Return the result of a task's work, or the state Cancelled if the flow run is stopped.

        The work runs in an asyncio task of its own, and only that task is cancelled. So the result
        of work that ends at the moment of the stop is kept, and the caller is not cancelled.

        Args:
            work: The work of the task. It is cancelled when the flow run is being stopped.
            task_session: The session of the task, if the task has its own. `stopping` is set before
                the work is cancelled.
        """
        if self.run_id is None:
            return await work
        working = asyncio.create_task(work)
        monitoring = asyncio.create_task(self._until_stopping(self.run_id))
        both = {working, monitoring}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if task_session is not None:
                task_session.stopping = True
            working.cancel()
            await asyncio.wait({working})
            if working.cancelled() or working.exception() is not None:
                return monitoring.result()
            return working.result()
        except asyncio.CancelledError:
            if self.flow_session is not None and self.flow_session.stopping:
                return stopped_state(self.fail_fast)
            raise
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _until_stopping(self, run_id: UUID) -> State[Any]:
        """Return the state Cancelled as soon as the flow run is being stopped."""
        now = asyncio.get_running_loop().time
        interval = _API_INTERVAL if self.flow_session is None else _SESSION_INTERVAL
        next_request = now() + _API_INTERVAL
        client: PrefectClient | None = None  # Opened late: most tasks end before.
        async with AsyncExitStack() as stack:
            while True:
                await asyncio.sleep(interval)
                found = self._check_session()
                if found is None and now() >= next_request:
                    if client is None:
                        client = await stack.enter_async_context(get_client())
                    found = await self._check_api(client, run_id)
                    next_request = now() + _API_INTERVAL
                if found is not None:
                    return found

    def _check_session(self) -> State[Any] | None:
        is_stopping = self.flow_session is not None and self.flow_session.stopping
        return stopped_state(self.fail_fast) if is_stopping else None

    async def _check_api(self, client: PrefectClient, run_id: UUID) -> State[Any] | None:
        try:
            run = await client.read_flow_run(run_id)
        except Exception as error:  # A server outage does not stop tasks.
            _logger.debug("Cannot read flow run %s: %s", run_id, error)
            return None
        attempt = run.labels.get(STOPPING)
        if isinstance(attempt, int) and attempt >= self.attempt:
            return stopped_state(self.fail_fast)
        is_stopping = run.state is not None and run.state.type in _STOPPING_STATES
        return stopped_state(fail_fast=False) if is_stopping else None
