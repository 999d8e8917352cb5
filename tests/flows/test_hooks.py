"""Tasks that hooks of flows and of tasks run: they complete, though the flow run has ended."""

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
from tests.flows.deploying import deploy, ended
from tests.flows.stopping_contract import arguments
from tests.flows.test_states import OPTIONS, with_options
from tests.make_item import make_item
from tests.server_logs import ServerLog, cancelled_run


class Hook:
    """A hook that awaits all tasks, and keeps how they ended."""

    def __init__(self, origin: Origin, directory: Path) -> None:
        self.given = arguments(origin, directory)
        self.found: list[str] = []

    async def __call__(self, *_: Any) -> None:
        for name, values in self.given.items():
            state = await getattr(flows, name)(**values, return_state=True)
            self.found.append(f"{name} {state.type.value}")

    def assert_completed(self) -> None:
        assert self.found == [f"{name} COMPLETED" for name in self.given]


class Crash(BaseException):
    pass


@pytest.fixture
def hook(origin: Origin, tmp_path: Path) -> Hook:
    return Hook(origin, tmp_path / "of-hook")


def ending(error: BaseException | None) -> None:
    if error is not None:
        raise error


# Prefect says so of every task run outside of a flow run.
@pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted to send logs:UserWarning")
@pytest.mark.parametrize(
    ("name", "error"),
    [("on_failure", ValueError()), ("on_completion", None), ("on_crashed", Crash())],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_hooks_of_a_users_flow(
    hook: Hook, name: str, error: BaseException | None, is_async: bool
) -> None:
    async def awaited() -> None:
        ending(error)

    def called() -> None:
        ending(error)

    own = flow(awaited if is_async else called, **{name: [hook]})  # type: ignore[call-overload]
    try:
        if is_async:
            await own(return_state=True)
        else:
            await asyncio.to_thread(own, return_state=True)
    except Crash:
        pass
    hook.assert_completed()


@pytest.mark.parametrize("threads", [False, True])
async def test_hook_of_our_flow_that_stopped_its_tasks(
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


async def test_failure_in_a_hook_labels_no_run(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a")
    origin.remove("/a.tif")
    found = []

    async def again(flow: Any, run: Any, state: Any) -> None:
        path = str(tmp_path / "a.tif")
        one = Transfer("item 'i'", "a", (Candidate(origin.href("/b.tif"), path),), str(tmp_path))
        origin.remove("/b.tif")
        options = with_options(fail_fast=True)
        ended = await flows.download_asset(one, options, return_state=True)
        async with get_client() as client:
            found.append((ended.name, (await client.read_flow_run(run.id)).labels))

    run = flows.download_item.with_options(on_failure=[again])
    await run(href, str(tmp_path), OPTIONS, return_state=True)
    ((name, labels),) = found
    assert name == "Failed"
    assert not [label for label in labels if label.startswith("stac_asset")]


@pytest.mark.parametrize("submits", [True, False])
async def test_hooks_of_a_users_task(hook: Hook, submits: bool) -> None:
    @task(on_failure=[hook])
    async def fails() -> None:
        raise ValueError

    @flow
    async def own() -> None:
        if submits:
            fails.submit().wait()
        else:
            await fails(return_state=True)
        raise ValueError

    await own(return_state=True)  # type: ignore[call-overload]
    hook.assert_completed()


async def fetch_in_hook(flow: Any, flow_run: Any, state: Any) -> None:
    """Downloads what the parameters name, and writes how that ended."""
    given = flow_run.parameters
    path = f"{given['directory']}/fetched"
    one = Transfer("item 'i'", "a", (Candidate(given["href"], path),), given["directory"])
    found = await flows.download_asset(one, OPTIONS, return_state=True)
    Path(given["directory"], "hook.json").write_text(json.dumps([state.name, found.name]))


@flow(on_cancellation=[fetch_in_hook])
async def waiting(href: str, directory: str) -> None:
    """Waits until it is cancelled."""
    Path(directory, "begun").touch()
    await asyncio.Event().wait()


async def test_hook_of_a_cancelled_deployment_run(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog
) -> None:
    name = await deploy(waiting, pool)
    parameters = {"href": origin.href("/a.tif"), "directory": str(tmp_path)}
    run: Any = await run_deployment(name, parameters=parameters, timeout=0)
    worker_log.provoke(*cancelled_run(run.name, "none"))
    while not (tmp_path / "begun").exists():
        await asyncio.sleep(0.1)
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelling())
    assert (await ended(run)).type == StateType.CANCELLED
    while not (tmp_path / "hook.json").exists():
        await asyncio.sleep(0.1)
    assert json.loads((tmp_path / "hook.json").read_text()) == ["Cancelling", "Completed"]
    assert (tmp_path / "fetched").read_bytes() == origin.content("/a.tif")
