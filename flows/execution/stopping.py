"""Stops the tasks of a flow run that is being stopped, wherever they run.

A flow cancels the tasks that it awaits itself. Those that it has submitted to a task runner are in
threads, processes or on other machines, and all of them reach Prefect's API. The flow run gets a
label there. Each submitted task reads its flow run before the task begins, and repeatedly
afterwards. No shared disk is needed. A flow run that was cancelled, failed or crashed stops its
tasks in the same way.

A task run belongs to a flow run that called or submitted the task run before the flow run ended.
Task runs that a hook of the flow starts after the end of the flow run are not stopped. The state in
the context of the task run tells the two apart. That is the state that the flow's process knew when
the task run was called or submitted (see `prefect_stac_asset.flows.execution.stoppable`), so no clocks are compared. Hooks that
Prefect calls outside of the run's context (on_cancellation, on_crashed) have no flow run at all.
The hooks of a task are called while the flow run goes on, so their tasks belong to it.

A label stops the task runs of its attempt of the flow run and of earlier ones. A retry of the flow
is a later attempt, so it starts anew.
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

from prefect_stac_asset.flows.execution.retries import is_last_attempt, may_pass
from prefect_stac_asset.flows.execution.states import stopped_state
from prefect_stac_asset.flows.parameters.flow import AssetFlow

_R = TypeVar("_R")

STOPPING = "stac_asset.stopping"
"""The label of a flow run that stops its tasks. The value is the number of the run's attempt."""

_POLL = 0.2
"""Seconds between two looks at the session of the flow, where it is in this process."""

_LOOK = 3.0
"""Seconds between two requests for the state of the flow run."""

_ENDED = {StateType.CANCELLING, StateType.CANCELLED, StateType.FAILED, StateType.CRASHED}

_logger = logging.getLogger(__name__)


class Stoppable(Protocol):
    """A run, or a task, that may be about to stop."""

    stopping: bool


async def stop_submitted() -> None:
    """Stop the tasks that the current flow run has submitted, by a label of the flow run.

    The caller has an error to raise, so a failed request is only logged.
    """
    try:
        async with get_client() as client:
            run = await client.read_flow_run(UUID(flow_run.id))
            await client.update_flow_run_labels(run.id, {STOPPING: run.run_count})
    except Exception as error:
        get_run_logger().warning("the run's tasks cannot be told to stop: %s", error)


@asynccontextmanager
async def failing_with_run(fail_fast: bool) -> AsyncIterator[None]:
    """Stops the other tasks of the flow run around when a submitted task fails for good.

    The flow would be too late: the place of the task is given to the next one before it knows. A
    flow of somebody else is left alone, and so is a run that has ended.

    Args:
        fail_fast: Whether anything happens.
    """
    try:
        yield
    except Exception as error:
        if fail_fast and _is_ours() and (is_last_attempt() or not may_pass(error)):
            await stop_submitted()
        raise


async def unless_stopping(
    work: Coroutine[Any, Any, _R], session: Stoppable, fail_fast: bool
) -> _R | State[Any]:
    """Returns the result of the work of a task that the flow awaits in its own loop.

    Args:
        work: The work. It is cancelled by the flow.
        session: The session of the flow. If it is stopping, the state Cancelled is returned.
        fail_fast: Whether the first failure stops the run.
    """
    try:
        return await work
    except asyncio.CancelledError:
        if session.stopping:
            return stopped_state(fail_fast)
        raise


def _running() -> FlowRunContext | None:
    """Returns the context of the flow run that the task run belongs to, if to any."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    state = context.flow_run.state
    has_ended = state is not None and (state.is_final() or state.is_cancelling())
    return None if has_ended else context


def _is_ours() -> bool:
    context = _running()
    return context is not None and isinstance(context.flow, AssetFlow)


@dataclass(frozen=True, slots=True)
class RunWatch:
    """Watches the flow run that a task run belongs to.

    Args:
        run_id: The flow run.
        attempt: The attempt of the flow run that called or submitted the task run.
        flow: The session of the flow, if that is in this process.
        fail_fast: Whether the first failure stops the run.
    """

    run_id: UUID | None
    attempt: int
    flow: Stoppable | None
    fail_fast: bool

    @classmethod
    def of_task(cls, flow: Stoppable | None, fail_fast: bool) -> RunWatch:
        """Returns the watch of the task run around; where it belongs to no flow run, it is idle.

        Args:
            flow: The session of the flow, if that is in this process.
            fail_fast: Whether the first failure stops the run.
        """
        context = _running()
        if context is None or context.flow_run is None:
            return cls(None, 0, None, fail_fast)
        return cls(context.flow_run.id, context.flow_run.run_count, flow, fail_fast)

    async def stopped(self) -> State[Any] | None:
        """Returns the state of a task run that must not begin, as its flow run is stopped."""
        if self.run_id is None:
            return None
        async with get_client() as client:
            return self._told() or await self._look(client, self.run_id)

    async def until_stopped(
        self, work: Coroutine[Any, Any, _R], task: Stoppable | None = None
    ) -> _R | State[Any]:
        """Returns the result of the work, or the state Cancelled if its flow run stops it.

        The work is a task of asyncio by itself, and nothing else is cancelled. So work that ends at
        the moment of the stop has its own result, and no cancellation reaches the caller.

        Args:
            work: The work. It is cancelled when the flow run is being stopped.
            task: The session of the task. Its `stopping` is set before.
        """
        if self.run_id is None:
            return await work
        working = asyncio.create_task(work)
        watching = asyncio.create_task(self._watch(self.run_id))
        both = {working, watching}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if task is not None:
                task.stopping = True
            working.cancel()
            await asyncio.wait({working})
            if working.cancelled() or working.exception() is not None:
                return watching.result()
            return working.result()
        except asyncio.CancelledError:
            if self.flow is not None and self.flow.stopping:
                return stopped_state(self.fail_fast)
            raise
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _watch(self, run_id: UUID) -> State[Any]:
        """Returns the state of a stopped task run as soon as the flow run is being stopped."""
        now = asyncio.get_running_loop().time
        next_look = now() + _LOOK
        client: PrefectClient | None = None  # Most tasks end before it is needed.
        async with AsyncExitStack() as stack:
            while True:
                await asyncio.sleep(_POLL if self.flow is not None else _LOOK)
                found = self._told()
                if found is None and now() >= next_look:
                    if client is None:
                        client = await stack.enter_async_context(get_client())
                    found = await self._look(client, run_id)
                    next_look = now() + _LOOK
                if found is not None:
                    return found

    def _told(self) -> State[Any] | None:
        is_stopping = self.flow is not None and self.flow.stopping
        return stopped_state(self.fail_fast) if is_stopping else None

    async def _look(self, client: PrefectClient, run_id: UUID) -> State[Any] | None:
        try:
            run = await client.read_flow_run(run_id)
        except Exception as error:  # A server that is away for a while stops nobody.
            _logger.debug("flow run %s cannot be read: %s", run_id, error)
            return None
        attempt = run.labels.get(STOPPING)
        if isinstance(attempt, int) and attempt >= self.attempt:
            return stopped_state(self.fail_fast)
        is_ended = run.state is not None and run.state.type in _ENDED
        return stopped_state(fail_fast=False) if is_ended else None
