"""Orphaned flow run processes of a killed worker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.local_stack.orphaned_runs import (
    _from_proc,
    _from_ps,
    end_orphaned_processes,
)


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Function that starts a process with environment variables until the test ends."""
    started = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("list_processes", [_from_proc, _from_ps])
def test_processes_are_listed_with_environment_variables(
    list_processes: Callable[[], Iterator[tuple[int, set[str]]]],
    start_process: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = start_process(PREFECT__FLOW_RUN_ID="1", PREFECT_HOME="/home/x")
    assert {"PREFECT__FLOW_RUN_ID=1", "PREFECT_HOME=/home/x"} <= dict(list_processes())[process.pid]


def test_only_flow_runs_of_the_worker_are_killed(
    start_process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    home, run = {"PREFECT_HOME": str(tmp_path)}, {"PREFECT__FLOW_RUN_ID": "1"}
    worker = {"PREFECT__WORKER_NAME": "worker"}
    runs = [start_process(**home, **run, **worker) for _ in range(2)]
    others = [
        start_process(**home, **worker),  # No flow run.
        start_process(**home, **run, PREFECT__WORKER_NAME="other"),
        start_process(**run, **worker, PREFECT_HOME=str(tmp_path / "other")),
    ]
    end_orphaned_processes(tmp_path, "worker")
    assert [process.wait(60) for process in runs] == [-9, -9]
    assert [process.poll() for process in others] == [None, None, None]
