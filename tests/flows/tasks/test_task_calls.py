"""Submitted, mapped and delayed tasks, in threads and in other processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from prefect_stac_asset import flows
from tests.support.paths import ROOT
from tests.support.remote_runs import TASKS, task_parameters, task_wrote_file, write_sources
from tests.support.server_logs import checked_log
from tests.support.task_runs import final_task_run_state

RUNNERS: dict[str, Any] = {
    "threads": ThreadPoolTaskRunner(max_workers=2),
    "processes": ProcessPoolTaskRunner(max_workers=1),
}
CALLS = ("submit", "map", "changed")


def call_task(name: str, call: str, parameters: dict[str, Any]) -> Any:
    """Return the future of a task that is submitted, or mapped over lists with a single value."""
    task = getattr(flows, name)
    if call == "map":
        (future,) = task.map(**{name: [value] for name, value in parameters.items()})
        return future
    if call == "changed":
        task = task.with_options(name="changed", retries=1)
    return task.submit(**parameters)


States = dict[tuple[str, str, str], State[Any]]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def states(prefect_server: None, sources: Path) -> States:
    """Final states of all tasks, by runner, task and call."""
    states: States = {}
    for runner in RUNNERS:

        @flow(task_runner=RUNNERS[runner])
        def user_flow(runner: str) -> None:
            futures = {
                (runner, name, call): call_task(
                    name, call, task_parameters(name, sources, sources / runner / name / call)
                )
                for name in TASKS
                for call in CALLS
            }
            for key, future in futures.items():
                future.wait()
                states[key] = future.state

        user_flow(runner, return_state=True)
    return states


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", TASKS)
def test_each_task_completes_in_task_runner(
    states: States, sources: Path, name: str, runner: str
) -> None:
    for call in CALLS:
        state = states[runner, name, call]
        assert state.is_completed(), (call, state)
        assert task_wrote_file(name, sources / runner / name / call)


@pytest.fixture(scope="module")
def task_worker(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process that serves all tasks."""
    log = tmp_path_factory.mktemp("task-worker") / "log"
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    with checked_log(log), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.served_tasks"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.usefixtures("task_worker")
async def test_delayed_tasks_complete_in_task_worker(sources: Path) -> None:
    outs = {name: sources / "delayed" / name for name in TASKS}
    futures = {
        name: await asyncio.to_thread(
            getattr(flows, name).delay, **task_parameters(name, sources, out)
        )
        for name, out in outs.items()
    }
    states = {
        name: await final_task_run_state(future.task_run_id) for name, future in futures.items()
    }
    assert [state for state in states.values() if not state.is_completed()] == []
    assert [name for name in TASKS if not task_wrote_file(name, outs[name])] == []
