"""The class of the tasks: a task that a flow run stops, but that hooks may run after its end.

`prefect_stac_asset.flows.execution.stopping` states the rule, and needs the state that the flow run had when a task run was
called or submitted. A process gets that state with the task. A thread shares the object of the
flow run with the flow, whose state changes while the task run waits. So a task that is submitted
gets a copy.
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
    """A task whose runs know the state that their flow run had when they were submitted."""

    if not TYPE_CHECKING:  # Callers keep the types of Prefect's task.

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            """Submits a task run. The arguments are those of the function and `Task.submit`."""
            with _flow_run_as_it_is():
                return super().submit(*args, **kwargs)

        def map(self, *args: Any, **kwargs: Any) -> Any:
            """Submits many task runs. The arguments are those of the function and `Task.map`."""
            with _flow_run_as_it_is():
                return super().map(*args, **kwargs)


def stoppable_task(**options: Any) -> Callable[[Callable[_P, _R]], Task[_P, _R]]:
    """Makes tasks of functions.

    Args:
        options: The arguments of `prefect.task`.
    """

    def decorate(function: Callable[_P, _R]) -> Task[_P, _R]:
        return StoppableTask(function, **options)

    return decorate


@contextmanager
def _flow_run_as_it_is() -> Iterator[None]:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    with context.model_copy(update={"flow_run": context.flow_run.model_copy()}):
        yield
