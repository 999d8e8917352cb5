"""Tasks that are called by hooks of flows and tasks complete after the end of the flow run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.states import Cancelling
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import flows
from stac_asset.testing import Origin
from stac_asset.types import Candidate, Transfer
from tests.support.flow_inputs import OPTIONS, with_options
from tests.support.items import make_item
from tests.support.processes import wait_until
from tests.support.server_logs import ServerLog, cancelled_run_errors
from tests.support.stopping_contract import task_arguments
from tests.support.workers import deploy, final_flow_run_state


class Hook:
    """A hook that awaits all tasks and records the final state of each task."""

    def __init__(self, origin: Origin, directory: Path) -> None:
        self.arguments = task_arguments(origin, directory)
        self.states: list[str] = []

    async def __call__(self, *_: Any) -> None:
        for name, values in self.arguments.items():
            state = await getattr(flows, name)(**values, return_state=True)
            self.states.append(f"{name} {state.type.value}")

    def assert_completed(self) -> None:
        assert self.states == [f"{name} COMPLETED" for name in self.arguments]


class Crash(BaseException):
    pass


@pytest.fixture
def hook(origin: Origin, tmp_path: Path) -> Hook:
    return Hook(origin, tmp_path / "hook")


def raise_if_given(error: BaseException | None) -> None:
    if error is not None:
        raise error


# Prefect logs this warning for each task run outside of a flow run.
@pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted to send logs:UserWarning")
@pytest.mark.parametrize(
    ("name", "error"),
    [("on_failure", ValueError()), ("on_completion", None), ("on_crashed", Crash())],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_hook_of_user_flow_completes_all_tasks(
    hook: Hook, name: str, error: BaseException | None, is_async: bool
) -> None:
    async def async_body() -> None:
        raise_if_given(error)

    def sync_body() -> None:
        raise_if_given(error)

    user_flow = flow(async_body if is_async else sync_body, **{name: [hook]})  # type: ignore[call-overload]
    try:
        if is_async:
            await user_flow(return_state=True)
        else:
            await asyncio.to_thread(user_flow, return_state=True)
    except Crash:
        pass
    hook.assert_completed()


@pytest.mark.parametrize("threads", [False, True])
async def test_failure_hook_of_fail_fast_run_completes_all_tasks(
    origin: Origin, tmp_path: Path, hook: Hook, threads: bool
) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/b.tif")
    run = flows.download_item.with_options(on_failure=[hook])
    if threads:
        run = run.with_options(task_runner=ThreadPoolTaskRunner(max_workers=2))
    options = with_options(fail_fast=True)
    state = await run(href, str(tmp_path / "data"), options, return_state=True)
    assert state.is_failed()
    hook.assert_completed()


async def test_failed_task_in_hook_does_not_label_flow_run(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a")
    origin.remove("/a.tif")
    observed = []

    async def fail_again(flow: Any, run: Any, state: Any) -> None:
        path = str(tmp_path / "a.tif")
        transfer = Transfer(
            "item 'i'", "a", (Candidate(origin.href("/b.tif"), path),), str(tmp_path)
        )
        origin.remove("/b.tif")
        options = with_options(fail_fast=True)
        task_state = await flows.download_asset(transfer, options, return_state=True)
        async with get_client() as client:
            observed.append((task_state.name, (await client.read_flow_run(run.id)).labels))

    run = flows.download_item.with_options(on_failure=[fail_again])
    await run(href, str(tmp_path), OPTIONS, return_state=True)
    ((name, labels),) = observed
    assert name == "Failed"
    assert not [label for label in labels if label.startswith("stac_asset")]


@pytest.mark.parametrize("submits", [True, False])
async def test_failure_hook_of_user_task_completes_all_tasks(hook: Hook, submits: bool) -> None:
    @task(on_failure=[hook])
    async def fails() -> None:
        raise ValueError

    @flow
    async def user_flow() -> None:
        if submits:
            fails.submit().wait()
        else:
            await fails(return_state=True)
        raise ValueError

    await user_flow(return_state=True)  # type: ignore[call-overload]
    hook.assert_completed()


async def download_in_hook(flow: Any, flow_run: Any, state: Any) -> None:
    """Download the asset of the flow run, and write the states of the run and of the task."""
    parameters = flow_run.parameters
    path = f"{parameters['directory']}/fetched"
    candidate = Candidate(parameters["href"], path)
    transfer = Transfer("item 'i'", "a", (candidate,), parameters["directory"])
    found = await flows.download_asset(transfer, OPTIONS, return_state=True)
    file = Path(parameters["directory"], "hook.json")
    file.write_text(json.dumps([state.name, found.name]))


@flow(on_cancellation=[download_in_hook])
async def wait_for_cancellation(href: str, directory: str) -> None:
    """Wait until the flow run is cancelled."""
    Path(directory, "started").touch()
    await asyncio.Event().wait()


async def test_cancellation_hook_of_deployment_run_downloads_asset(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog
) -> None:
    name = await deploy(wait_for_cancellation, pool)
    parameters = {"href": origin.href("/a.tif"), "directory": str(tmp_path)}
    run: Any = await run_deployment(name, parameters=parameters, timeout=0)
    worker_log.expect_errors(*cancelled_run_errors(run.name, "none"))
    await wait_until((tmp_path / "started").exists)
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelling())
    assert (await final_flow_run_state(run)).type == StateType.CANCELLED
    file = tmp_path / "hook.json"
    await wait_until(lambda: file.exists() and file.read_text())
    assert json.loads(file.read_text()) == ["Cancelling", "Completed"]
    assert (tmp_path / "fetched").read_bytes() == origin.content("/a.tif")
