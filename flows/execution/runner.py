"""Runs the tasks of a flow where its task runner says: in the flow's own event loop, or elsewhere.

With Prefect's default task runner the tasks are awaited. They share the flow's loop, and with it
connections, tokens and the live progress; threads would only contend for the interpreter. With
any other one, as `with_options(task_runner=…)` gives it, tasks are submitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, overload

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
"""How many tasks are submitted at once: so many places of a cluster does a run keep busy, and so
much of its work does it hold in memory."""

_PATIENCE = 30.0
"""Seconds that the end of a run waits for the tasks that it has told to stop."""


class WorkerError(StacAssetError):
    """Raised for what a task runner could not bring to an end, however often it tried."""


class Runner:
    """The task runner of the flow run around.

    Args:
        session: The session of the flow.

    Raises:
        ConfigError: The tasks go to other processes, and a block with credentials is not saved.
    """

    submits: bool
    """Whether tasks are submitted, rather than awaited in the flow's own loop."""

    def __init__(self, session: Session) -> None:
        context = FlowRunContext.get()
        runner = context.task_runner if context is not None else ThreadPoolTaskRunner()
        # Equal are those with as many threads; who asks for a number of them gets threads.
        is_default = type(runner) is ThreadPoolTaskRunner and runner == ThreadPoolTaskRunner()
        self.submits = not is_default
        self._session = session
        # No secret goes to a worker: it loads the blocks by their names.
        self._credentials = references(session.credentials) if self.submits else ()
        self._one_by_one = asyncio.Lock()
        self._is_told = False
        self._busy, self._idle = 0, asyncio.Event()
        self._first: Exception | None = None

    @overload
    async def run(self, task: Task[..., Coroutine[Any, Any, State[_R]]], *args: Any) -> _R: ...

    @overload
    async def run(self, task: Task[..., Coroutine[Any, Any, _R]], *args: Any) -> _R: ...

    async def run(self, task: Task[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Returns the result of a task run.

        Args:
            task: The task.
            args: Its arguments.

        Raises:
            Exception: The error of the task.
            WorkerError: The task runner lost it.
        """
        if not self.submits:
            found = await task(*args)
            return await found.aresult() if isinstance(found, State) else found
        try:
            with self._work():
                return await self._submitted(task, args)
        except CancelledRun as stopped:
            # Some other task failed, which may not be known here yet; or somebody cancelled the
            # run, and there is no such task.
            await self._idle.wait()
            raise self._first or stopped from None

    @contextmanager
    def _work(self) -> Iterator[None]:
        self._busy += 1
        self._idle.clear()
        try:
            yield
        except CancelledRun:
            raise
        except Exception as error:
            if self._first is None and self._session.config.fail_fast:
                self._first = error
            raise
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _submitted(self, task: Task[..., Any], args: tuple[Any, ...]) -> Any:
        # Dask makes a mere tuple of an annotation, so there Prefect has to search the arguments.
        args = tuple(arg.unwrap() if isinstance(arg, opaque) else arg for arg in args)
        # In a thread: making a cluster takes seconds, and a network may be in between. One after
        # the other, since only the first of them makes the cluster.
        async with self._one_by_one:
            future = await in_thread(_submit, task, args, self._credentials)
        try:
            await _ended(future)
        except asyncio.CancelledError:
            await _through(self.stop())
            await _through(_ended(future))
            raise
        try:
            return await in_thread(_result, future)
        except WorkerError as error:
            await _record(future, error)
            raise

    async def stop(self) -> None:
        """Makes the tasks that were submitted stop, those that wait before they begin.

        Where tasks are awaited, it is their cancellation that stops them.
        """
        self._session.stopping = True  # Before the others are cancelled, so that they can say why.
        if self.submits and not self._is_told:
            self._is_told = True
            await stop_submitted()


def lost(transfers: list[Transfer], error: WorkerError) -> list[Outcome]:
    """Returns what became of the assets of a task that was lost: nobody knows, so they failed.

    Args:
        transfers: What the task was to download.
        error: How it was lost.
    """
    return [Failed(one.owner, one.key, _of(error, one), one) for one in transfers]


def _of(error: WorkerError, transfer: Transfer) -> WorkerError:
    own = WorkerError(*error.args)
    own.owner, own.key = transfer.owner, transfer.key
    return own


def _submit(
    task: Task[..., Any], args: tuple[Any, ...], credentials: TaskCredentials
) -> PrefectFuture[Any]:
    context = FlowRunContext.get()
    assert context is not None, "only a flow has a task runner of its own"
    # Prefect sends this context along: with the secrets of blocks, and a source of many kilobytes.
    with context.model_copy(update={"parameters": None}):
        return task.submit(*args, credentials=credentials)


async def _ended(future: PrefectFuture[Any]) -> None:
    """Waits for the end of a task without blocking this loop."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: PrefectFuture[Any]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(tell)
    await ended.wait()


async def _through(call: Coroutine[Any, Any, None]) -> None:
    """Awaits a call for a while, however often this is cancelled meanwhile."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(call)
    until = loop.time() + _PATIENCE
    while not task.done() and (rest := until - loop.time()) > 0:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=rest)
    if not task.done():
        task.cancel()
        get_run_logger().warning("tasks did not stop within %.0f s", _PATIENCE)


async def _record(future: PrefectFuture[Any], error: WorkerError) -> None:
    """Says in Prefect that a task is no longer running; its worker cannot say it any more."""
    try:
        async with get_client() as client:
            state: State[Any] = Crashed(message=str(error))
            await client.set_task_run_state(future.task_run_id, state, force=True)
    except Exception as unsaid:
        get_run_logger().warning("the state of a task cannot be set to Crashed: %s", unsaid)


def _result(future: PrefectFuture[Any]) -> Any:
    try:
        found = future.result(raise_on_failure=False)
    except BaseException as error:  # What a cluster raises has no common root.
        raise WorkerError(
            f"the task runner lost the task that downloaded it ({_line(error)}): "
            "run the flow again, and it goes on from what is there"
        ) from None
    if future.state.is_cancelled():
        raise CancelledRun(f"a task was stopped: {future.state.message}")
    if isinstance(found, CrashedRun):
        raise WorkerError(f"the task that downloaded it crashed: {found}")
    if isinstance(found, BaseException):
        raise found
    return found


def _line(error: BaseException) -> str:
    """Returns an error in a line; Ray's have the error proper inside, and pages of text."""
    error = getattr(error, "cause", None) or error
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *(line[:200] for line in lines[:1])])
