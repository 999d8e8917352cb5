"""The class of all tasks of this package: tasks that a stopped flow run cancels.

`prefect_stac_asset.flows.execution.stopping` stops the tasks of a flow run, but not the tasks that
hooks start after the flow run has ended. To tell them apart, each task run needs the state that the
flow run had when the task run was called or submitted. A process receives a copy of that state with
the task. A thread shares the flow run object with the flow, and its state changes while the task
run waits. So the flow run object is copied when a task is submitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from prefect import Task
from prefect.context import FlowRunContext

from prefect_stac_asset.flows.execution.pickling import PickledByName

_P = ParamSpec("_P")
_R = TypeVar("_R")


class StoppableTask(PickledByName, Task[_P, _R], Generic[_P, _R]):
    """A task with runs that keep the state of the flow run at the time of submission."""

    if not TYPE_CHECKING:  # Callers keep the types of Prefect's task.

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            """Submit a task run. The arguments are those of the function and `Task.submit`."""
            with _copied_flow_run():
                return super().submit(*args, **kwargs)

        def map(self, *args: Any, **kwargs: Any) -> Any:
            """Submit many task runs. The arguments are those of the function and `Task.map`."""
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


@contextmanager
def _copied_flow_run() -> Iterator[None]:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    with context.model_copy(update={"flow_run": context.flow_run.model_copy()}):
        yield
