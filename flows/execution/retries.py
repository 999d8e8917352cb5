"""Prefect's retries of task runs.

A task run is retried after the library's own attempts have failed, for outages that last longer.
"""

from __future__ import annotations

from typing import Any, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset.errors import DownloadError, RateLimitError
from stac_asset.transfer.retry import is_transient

_Task = TypeVar("_Task", bound=Task[Any, Any])


def is_retryable(error: BaseException) -> bool:
    """Return whether a retry of a failed task run may succeed.

    Args:
        error: The error of an asset or of a batch. A batch is retried if at least one of its
            errors is transient.
    """
    if isinstance(error, DownloadError):
        return any(is_retryable(one) for one in error.exceptions)
    return is_transient(error) or isinstance(error, RateLimitError)


async def retry_condition(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Return whether Prefect retries a task run. Permanent errors are not retried.

    Args:
        task: The task.
        task_run: The run of the task.
        state: The state in which the task run would end.
    """
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, BaseException) and is_retryable(error)


def with_retries(task: _Task, options: DownloadOptions) -> _Task:
    """Return a task with the `retries`, `retry_delay` and `retry_jitter` of the options.

    Args:
        task: The task.
        options: The options of the run.
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
    """Return whether the current task run has no retry left. Also true outside of a task run."""
    context = TaskRunContext.get()
    return context is None or context.task_run.run_count > (context.task.retries or 0)
