"""Stops the tasks of a run that is being stopped, wherever they run.

A flow cancels the tasks that it awaits itself. Those that it has submitted to a task runner are in
threads, processes or on other machines, which have one thing in common: Prefect's API. So the flow
run is labelled there, and each of these tasks looks at its flow run before it begins and then
again and again. That needs no shared disk, and a run that is cancelled, or has failed or crashed
in the meantime, stops its tasks in the same way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from flows.credential_flow import CredentialFlow
from flows.retries import is_last_attempt, may_pass

STOPPING = "stac_asset.stopping"
"""The label of a flow run that stops its tasks. Its value is the number of the run's attempt, so
that a retry of the flow is not stopped as well."""

_POLL = 0.2
"""Seconds between two looks at the session of the flow, where it is in this process."""

_LOOK = 3.0
"""Seconds between two looks at the flow run."""

_ENDED = {StateType.CANCELLING, StateType.CANCELLED, StateType.FAILED, StateType.CRASHED}

_logger = logging.getLogger(__name__)


class Stoppable(Protocol):
    """What a run, or a task, has of which it can be said that it is being stopped."""

    stopping: bool


async def stop_submitted() -> None:
    """Tells the tasks that the flow run around has submitted that they are to stop.

    Whoever calls this has an error to raise, so that it cannot be told is only logged.
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
    flow of somebody else is left alone.

    Args:
        fail_fast: Whether anything happens.
    """
    try:
        yield
    except Exception as error:
        if fail_fast and _is_ours() and (is_last_attempt() or not may_pass(error)):
            await stop_submitted()
        raise


@asynccontextmanager
async def stopped_with_run(task: Stoppable, flow: Stoppable | None) -> AsyncIterator[None]:
    """Cancels what is awaited inside when the flow run around is being stopped.

    Before, `stopping` is set. Outside of a flow run nothing happens.

    Args:
        task: The session of the task.
        flow: The session of the flow, if that is in this process.
    """
    run_id = flow_run.id
    if not run_id:
        yield
        return
    async with get_client() as client, asyncio.timeout(None) as alarm:
        watch = _Watch(client, UUID(run_id), task, flow, alarm)
        await watch.look()
        watching = asyncio.create_task(watch.run())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _is_ours() -> bool:
    context = FlowRunContext.get()
    return context is not None and isinstance(context.flow, CredentialFlow)


@dataclass(frozen=True, slots=True)
class _Watch:
    client: PrefectClient
    run_id: UUID
    task: Stoppable
    flow: Stoppable | None
    alarm: asyncio.Timeout

    async def run(self) -> None:
        """Looks again and again, until the task is to stop."""
        now = asyncio.get_running_loop().time
        next_look = now() + _LOOK
        while not self.task.stopping:
            await asyncio.sleep(_POLL if self.flow is not None else _LOOK)
            if self.flow is not None and self.flow.stopping:
                self._stop()
            elif now() >= next_look:
                await self.look()
                next_look = now() + _LOOK

    async def look(self) -> None:
        """Looks at the flow run."""
        try:
            run = await self.client.read_flow_run(self.run_id)
        except Exception as error:  # A server that is away for a while stops nobody.
            _logger.debug("flow run %s cannot be read: %s", self.run_id, error)
            return
        ended = run.state is not None and run.state.type in _ENDED
        if ended or run.labels.get(STOPPING) == run.run_count:
            self._stop()

    def _stop(self) -> None:
        self.task.stopping = True
        self.alarm.reschedule(0)
