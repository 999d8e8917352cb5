"""The task runs that flows submit to task runners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from prefect.task_runners import TaskRunner


@contextmanager
def listed_submissions(kind: type[TaskRunner[Any]]) -> Iterator[list[UUID]]:
    """Yield the list of the task runs that are submitted to task runners of a kind.

    A flow submits one task run after another, and the first may have ended before the flow submits
    the last. A test of waiting task runs needs to know that all are submitted.

    Args:
        kind: The class of the task runners.
    """
    submitted = list[UUID]()
    submit = kind.submit

    def submit_and_list(runner: Any, *args: Any, **kwargs: Any) -> Any:
        future = submit(runner, *args, **kwargs)
        submitted.append(future.task_run_id)
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "submit", submit_and_list)
        yield submitted
