"""Serves all tasks, as a script does: python -m tests.flows.serving_tasks."""

from __future__ import annotations

from prefect.task_worker import serve

from prefect_stac_asset import flows
from tests.flows.elsewhere import TASKS

if __name__ == "__main__":
    serve(*(getattr(flows, name) for name in TASKS), limit=2)
