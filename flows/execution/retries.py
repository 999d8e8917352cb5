"""Prefect's retries around the library's own: for outages that last longer than a transfer."""

from __future__ import annotations

from typing import Any, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset.errors import DownloadError
from stac_asset.transfer.retry import is_transient

_Task = TypeVar("_Task", bound=Task[Any, Any])


def may_pass(error: BaseException) -> bool:
    """Returns whether a task that failed is worth running again.

    Args:
        error: The error of an asset, or of a batch: one transient error in it is enough.
    """
    if isinstance(error, DownloadError):
        return any(may_pass(one) for one in error.exceptions)
    return is_transient(error)


async def retry_condition(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Returns whether Prefect retries a task run: not where the error is permanent.

    Args:
        task: The task.
        task_run: Its run.
        state: The state that it would end in.
    """
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, BaseException) and may_pass(error)


def with_retries(task: _Task, options: DownloadOptions) -> _Task:
    """Returns a task with the retries that the options ask for.

    Args:
        task: The task.
        options: How often, and after what delay.
    """
    if not options.retries:
        return task
    return task.with_options(  # type: ignore[return-value]
        retries=options.retries,
        retry_delay_seconds=exponential_backoff(options.retry_delay),
        retry_jitter_factor=options.retry_jitter,
        retry_condition_fn=retry_condition,
    )


def is_last_attempt() -> bool:
    """Returns whether the task run around has no retry left, or is none."""
    context = TaskRunContext.get()
    return context is None or context.task_run.run_count > (context.task.retries or 0)
