"""Tasks that are submitted, mapped and delayed: they run in threads and in other processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from prefect_stac_asset import flows
from tests.flows.deploying import ROOT
from tests.flows.elsewhere import TASKS, did, make_sources, task_parameters
from tests.server_logs import checked_log

RUNNERS: dict[str, Any] = {
    "threads": ThreadPoolTaskRunner(max_workers=2),
    "processes": ProcessPoolTaskRunner(max_workers=1),
}
CALLS = ("submit", "map", "changed")


def called(name: str, call: str, parameters: dict[str, Any]) -> Any:
    """Returns the future of a task that is submitted, or of the only one that is mapped."""
    task = getattr(flows, name)
    if call == "map":
        (future,) = task.map(**{name: [value] for name, value in parameters.items()})
        return future
    if call == "changed":
        task = task.with_options(name="changed", retries=1)
    return task.submit(**parameters)


States = dict[tuple[str, str, str], State[Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sources(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def states(prefect_server: None, place: Path) -> States:
    """The final states of all tasks, by runner, task and call."""
    found: States = {}
    for runner in RUNNERS:

        @flow(task_runner=RUNNERS[runner])
        def own(runner: str) -> None:
            futures = {
                (runner, name, call): called(
                    name, call, task_parameters(name, place, place / runner / name / call)
                )
                for name in TASKS
                for call in CALLS
            }
            for key, future in futures.items():
                future.wait()
                found[key] = future.state

        own(runner, return_state=True)
    return found


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", TASKS)
def test_task_completes_in_a_task_runner(
    states: States, place: Path, name: str, runner: str
) -> None:
    for call in CALLS:
        state = states[runner, name, call]
        assert state.is_completed(), (call, state)
        assert did(name, place / runner / name / call)


@pytest.fixture(scope="module")
def task_worker(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process that serves all tasks."""
    log = tmp_path_factory.mktemp("task-worker") / "log"
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    with checked_log(log), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.serving_tasks"],
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


async def ended(task_run: UUID) -> State[Any]:
    """Returns the final state of a task run, when it has one."""
    async with get_client() as client, asyncio.timeout(600):
        while True:
            state = (await client.read_task_run(task_run)).state
            if state is not None and state.is_final():
                return state
            await asyncio.sleep(0.2)


@pytest.mark.usefixtures("task_worker")
async def test_each_task_that_is_delayed_completes_in_a_task_worker(place: Path) -> None:
    outs = {name: place / "delayed" / name for name in TASKS}
    futures = {
        name: await asyncio.to_thread(
            getattr(flows, name).delay, **task_parameters(name, place, out)
        )
        for name, out in outs.items()
    }
    states = {name: await ended(future.task_run_id) for name, future in futures.items()}
    assert [state for state in states.values() if not state.is_completed()] == []
    assert [name for name in TASKS if not did(name, outs[name])] == []
