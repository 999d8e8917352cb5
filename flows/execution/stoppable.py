"""The class of all tasks of this package: tasks that a stopped flow run cancels.

`prefect_stac_asset.flows.execution.stopping` stops the tasks of a flow run, but not the tasks that
hooks start after the flow run has ended. To tell them apart, each task run needs the state that the
flow run had when the task run was called or submitted. A process receives a copy of that state with
the task. A thread shares the flow run object with the flow, and its state changes while the task
run waits. So the flow run object is copied when a task is submitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from prefect import State, Task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext, get_run_context
from prefect.exceptions import MissingContextError
from prefect.utilities.annotations import NotSet
from pydantic import BaseModel

from prefect_stac_asset.flows.execution.pickling import PickledByName

_P = ParamSpec("_P")
_R = TypeVar("_R")


class StoppableTask(PickledByName, Task[_P, _R], Generic[_P, _R]):
    """A task with runs that keep the state of the flow run at the time of submission.

    - The task returns a state. A call returns the result of this state. With `return_state=True`,
      a call returns the state.
    - In a synchronous flow, a call runs the task to its end. Otherwise, a call returns a coroutine.
    - `map` passes options and blocks unchanged to each run. Prefect would iterate over their
      fields.
    """

    if not TYPE_CHECKING:  # Callers keep the types of Prefect's task.

        def __call__(self, *args: Any, return_state: bool = False, **kwargs: Any) -> Any:
            """Run the task. The arguments are those of the function and of `Task.__call__`."""
            run = super().__call__(*args, return_state=return_state, **kwargs)
            if not return_state:
                run = _result(run)
            return asyncio.run(run) if _is_called_synchronously() else run

        def with_options(self, *args: Any, **options: Any) -> Self:
            """Return this task with other options. A cache stores results.

            The arguments are those of `Task.with_options`. A `cache_policy` or `cache_key_fn` has
            no effect unless results are stored.
            """
            caches = options.get("cache_key_fn") is not None or options.get("cache_policy") not in (
                None,
                NotSet,
                NO_CACHE,
            )
            if caches:
                options.setdefault("persist_result", True)
            return super().with_options(*args, **options)

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            """Submit a task run. The arguments are those of the function and `Task.submit`."""
            with _copied_flow_run():
                return super().submit(*args, **kwargs)

        def map(self, *args: Any, **kwargs: Any) -> Any:
            """Submit many task runs. The arguments are those of the function and `Task.map`."""
            args = tuple(_unmapped(value) for value in args)
            kwargs = {name: _unmapped(value) for name, value in kwargs.items()}
            with _copied_flow_run():
                return super().map(*args, **kwargs)


def stoppable_task(**options: Any) -> Callable[[Callable[_P, _R]], Task[_P, _R]]:
    """Return a decorator that makes a `StoppableTask` of a function.

    Args:
        options: The arguments of `prefect.task`.
    """

    def decorate(function: Callable[_P, _R]) -> Task[_P, _R]:
        return StoppableTask(function, **options)

    return decorate


async def _result(run: Awaitable[Any]) -> Any:
    """Return the result of a task run, or raise the run's error.

    Raises:
        CancelledRun: The task run was cancelled.
    """
    found = await run
    return await found.aresult() if isinstance(found, State) else found


def _is_called_synchronously() -> bool:
    """Return whether the caller is a synchronous flow or task, without a running event loop."""
    try:
        context = get_run_context()
    except MissingContextError:
        return False
    caller = context.task if isinstance(context, TaskRunContext) else context.flow
    if caller is None or caller.isasync:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _unmapped(value: Any) -> Any:
    is_model = isinstance(value, BaseModel) and not isinstance(value, State)
    return unmapped(value) if is_model else value


@contextmanager
def _copied_flow_run() -> Iterator[None]:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    with context.model_copy(update={"flow_run": context.flow_run.model_copy()}):
        yield
