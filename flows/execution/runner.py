"""Run the tasks of a flow in the flow's event loop, or submit tasks to a task runner.

With Prefect's default task runner, tasks are awaited. They share the event loop of the flow, and so
its connections, tokens and live progress. Threads would not be faster, because they compete for the
interpreter. With any other task runner, such as one set by `with_options(task_runner=…)`, tasks are
submitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from prefect import Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import CancelledRun, CrashedRun
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Crashed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import opaque

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.execution.stopping import stop_submitted
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials, references
from stac_asset.concurrency import in_thread
from stac_asset.errors import StacAssetError
from stac_asset.types import Failed, Outcome, Transfer

_R = TypeVar("_R")

MAX_SUBMITTED = 64
"""Maximum number of task runs submitted at a time. Limits cluster parallelism and memory use."""

_STOP_TIMEOUT = 30.0
"""Seconds that a cancelled run waits until submitted tasks have stopped."""


class WorkerError(StacAssetError):
    """Raised for an asset if the task runner lost the task run, or if the task run crashed."""


class Runner:
    """Run tasks of the current flow run, and return the results.

    Args:
        session: The session of the flow.

    Raises:
        ConfigError: Tasks are submitted, and a block is not saved.
    """

    submits: bool
    """Whether tasks are submitted. Otherwise tasks are awaited in the loop of the flow."""

    def __init__(self, session: Session) -> None:
        context = FlowRunContext.get()
        runner = context.task_runner if context is not None else ThreadPoolTaskRunner()
        # Thread pools are equal if they have the same number of threads. A pool with a set number
        # differs from the default, so tasks are submitted to it.
        is_default = type(runner) is ThreadPoolTaskRunner and runner == ThreadPoolTaskRunner()
        self.submits = not is_default
        self._session = session
        # Workers receive no secrets. They load the blocks by name.
        self._credentials: dict[str, TaskCredentials] = {}
        self._destination: dict[str, TaskCredentials] = {}
        if self.submits:
            self._credentials["credentials"] = references(session.credentials)
            for reference in references(session.destination_credentials):
                self._destination["destination_credentials"] = reference
        self._submit_lock = asyncio.Lock()
        self._is_stopped = False
        self._pending = 0
        """Number of submitted task runs that have not returned yet."""

        self._idle = asyncio.Event()
        """Set when no submitted task run is pending."""

        self._first_error: Exception | None = None

    async def run(
        self, task: Task[..., Coroutine[Any, Any, _R]], *args: Any, writes: bool = False
    ) -> _R:
        """Return the result of a task run.

        Args:
            task: The task.
            args: The arguments of the task.
            writes: Whether the task writes to the destination, and has the parameter
                `destination_credentials`.

        Raises:
            Exception: The error of the task.
            WorkerError: The task runner lost the task run, or the task run crashed.
        """
        if not self.submits:
            awaited: _R = await task(*args)
            return awaited
        try:
            with self._pending_task():
                result: _R = await self._submitted(task, args, self._destination if writes else {})
                return result
        except CancelledRun as stopped:
            # Either another task failed, perhaps one that has not returned here yet, or the flow
            # run was cancelled. Prefer the error of the other task.
            await self._idle.wait()
            raise self._first_error or stopped from None

    @contextmanager
    def _pending_task(self) -> Iterator[None]:
        """Count a pending task run, and keep the first error of the run with `fail_fast`."""
        self._pending += 1
        self._idle.clear()
        try:
            yield
        except CancelledRun:
            raise
        except Exception as error:
            if self._first_error is None and self._session.config.fail_fast:
                self._first_error = error
            raise
        finally:
            self._pending -= 1
            if not self._pending:
                self._idle.set()

    async def _submitted(
        self, task: Task[..., Any], args: tuple[Any, ...], destination: dict[str, TaskCredentials]
    ) -> Any:
        # Dask turns an annotation into a plain tuple, so submitted arguments have none.
        args = tuple(arg.unwrap() if isinstance(arg, opaque) else arg for arg in args)
        # In a thread, because creating a cluster takes seconds and may use a network. One call at
        # a time, because the first call creates the cluster.
        async with self._submit_lock:
            blocks = self._credentials | destination
            future = await in_thread(_submit, task, args, blocks)
        try:
            await _ended(future)
        except asyncio.CancelledError:
            await _despite_cancellation(self.stop())
            await _despite_cancellation(_ended(future))
            raise
        try:
            return await in_thread(_result, future)
        except WorkerError as error:
            await _set_crashed(future, error)
            raise

    async def stop(self) -> None:
        """Stop all submitted tasks. Tasks that are still waiting end without doing any work.

        Tasks that are awaited are not stopped here: the flow cancels them.
        """
        # Set first: a task that is cancelled while this is set ends in the state Cancelled.
        self._session.stopping = True
        if self.submits and not self._is_stopped:
            self._is_stopped = True
            await stop_submitted()


def lost_outcomes(transfers: list[Transfer], error: WorkerError) -> list[Outcome]:
    """Return failed outcomes for all assets of a lost task run.

    Args:
        transfers: The transfers of the task run.
        error: The error of the task runner.
    """
    return [Failed(one.owner, one.key, _copy_for(error, one), one) for one in transfers]


def _copy_for(error: WorkerError, transfer: Transfer) -> WorkerError:
    own = WorkerError(*error.args)
    own.owner, own.key = transfer.owner, transfer.key
    return own


def _submit(
    task: Task[..., Any], args: tuple[Any, ...], blocks: dict[str, TaskCredentials]
) -> PrefectFuture[Any]:
    context = FlowRunContext.get()
    assert context is not None, "tasks are only submitted inside of a flow run"
    # Prefect sends this context to the worker. The parameters would add the secrets of blocks, and
    # a source document of many kilobytes.
    with context.model_copy(update={"parameters": None}):
        return task.submit(*args, **blocks)


async def _ended(future: PrefectFuture[Any]) -> None:
    """Wait for the end of a task run without blocking this loop."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def notify(_: PrefectFuture[Any]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(notify)
    await ended.wait()


async def _despite_cancellation(call: Coroutine[Any, Any, None]) -> None:
    """Await a call for up to `_STOP_TIMEOUT`, even if the current task is cancelled again."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(call)
    until = loop.time() + _STOP_TIMEOUT
    while not task.done() and (rest := until - loop.time()) > 0:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=rest)
    if not task.done():
        task.cancel()
        get_run_logger().warning("Submitted tasks did not stop within %.0f s.", _STOP_TIMEOUT)


async def _set_crashed(future: PrefectFuture[Any], error: WorkerError) -> None:
    """Set the state of a lost task run to Crashed. The worker no longer can."""
    try:
        async with get_client() as client:
            state: State[Any] = Crashed(message=str(error))
            await client.set_task_run_state(future.task_run_id, state, force=True)
    except Exception as failure:
        get_run_logger().warning("Cannot set the state of a task run to Crashed: %s", failure)


def _result(future: PrefectFuture[Any]) -> Any:
    try:
        found = future.result(raise_on_failure=False)
    except BaseException as error:  # Errors of clusters have no common base class.
        raise WorkerError(
            f"The task runner lost the task run of this asset ({_first_line(error)}). "
            "Run the flow again to resume."
        ) from None
    if future.state.is_cancelled():
        raise CancelledRun(f"A task run was stopped: {future.state.message}")
    if isinstance(found, CrashedRun):
        raise WorkerError(
            f"The task run of this asset crashed: {str(found).rstrip('.')}. "
            "Run the flow again to resume."
        )
    if isinstance(found, BaseException):
        raise found
    return found


def _first_line(error: BaseException) -> str:
    """Return the type and the first line of an error."""
    # Ray wraps the original error in an error with pages of text.
    error = getattr(error, "cause", None) or error
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *(line[:200] for line in lines[:1])])
