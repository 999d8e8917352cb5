"""Serve all tasks: `python -m tests.support.served_tasks`."""

from __future__ import annotations

from prefect.task_worker import serve

from prefect_stac_asset import flows
from tests.support.remote_runs import TASKS

if __name__ == "__main__":
    serve(*(getattr(flows, name) for name in TASKS), limit=2)
