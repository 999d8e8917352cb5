"""Cancellation of all runs of a server."""

from __future__ import annotations

from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from prefect_stac_asset.deployments.local_stack.cancelled_runs import without_process


def test_only_runs_without_a_process_are_ended_early() -> None:
    has_process, stopped, served, remote = runs = [
        FlowRun(flow_id=uuid4(), work_pool_name=pool) for pool in ("mine", "mine", None, "other")
    ]
    processes = {str(has_process.id), str(uuid4())}
    assert without_process(runs, processes, {"other"}, elapsed=1) == set()
    assert without_process(runs, processes, {"other"}, elapsed=6) == {stopped.id, served.id}
    assert without_process(runs, processes, (), elapsed=6) == {stopped.id, served.id, remote.id}
