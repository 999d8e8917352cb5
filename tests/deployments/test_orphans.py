"""Processes of flow runs that a killed worker left."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.orphaned_runs import _linux, _others, end_orphaned_processes


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes with some environment variables, and ends them."""
    started = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("listed", [_linux, _others])
def test_processes_are_listed_with_their_variables(
    listed: Callable[[], Iterator[tuple[int, set[str]]]],
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = start(PREFECT__FLOW_RUN_ID="1", PREFECT_HOME="/home/x")
    assert {"PREFECT__FLOW_RUN_ID=1", "PREFECT_HOME=/home/x"} <= dict(listed())[process.pid]


def test_only_the_runs_of_that_worker_are_ended(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    home, run = {"PREFECT_HOME": str(tmp_path)}, {"PREFECT__FLOW_RUN_ID": "1"}
    mine = {"PREFECT__WORKER_NAME": "mine"}
    runs = [start(**home, **run, **mine) for _ in range(2)]
    others = [
        start(**home, **mine),  # not a run
        start(**home, **run, PREFECT__WORKER_NAME="other"),
        start(**run, **mine, PREFECT_HOME=str(tmp_path / "other")),
    ]
    end_orphaned_processes(tmp_path, "mine")
    assert [process.wait(60) for process in runs] == [-9, -9]
    assert [process.poll() for process in others] == [None, None, None]
