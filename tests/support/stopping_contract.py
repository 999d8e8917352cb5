"""Assertions about the tasks of stopped flow runs, on task runners that run two tasks at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pystac
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelling

from prefect_stac_asset import flows
from stac_asset.errors import ResponseError
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.testing import Origin, Stall, Status
from stac_asset.types import Candidate, Transfer
from tests.support.files import list_files
from tests.support.flow_inputs import make_transfers, with_options
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import message, read_back, states
from tests.support.processes import block_until, wait_until
from tests.support.submissions import listed_submissions

# The limits exceed the number of transfers, so that no transfer waits for another.
OPTIONS = with_options(max_connections_per_host=100, max_concurrent_downloads=100)


def task_arguments(origin: Origin, directory: Path) -> dict[str, dict[str, Any]]:
    """Return arguments for each task, by the name of the task."""
    planned = make_transfers(origin, directory, 2)
    item = pystac.Item.from_dict(item_document(origin, "k0"))
    return {
        "download_asset": {"asset": planned[0], "options": OPTIONS},
        "download_assets": {"transfers": planned, "options": OPTIONS},
        "check_asset_exists": {"asset": planned[0], "options": OPTIONS},
        "check_assets_exist": {"transfers": planned, "options": OPTIONS},
        "resolve_client": {"href": planned[0].href, "options": OPTIONS},
        "rewrite_item": {"item": item, "outcomes": [], "document": directory / "item.json"},
    }


async def assert_cancelled_run_stops_all_tasks(
    runner: Any, origin: Origin, directory: Path
) -> None:
    """Cancel a run with running and waiting tasks, and assert that each task is cancelled.

    Args:
        runner: The task runner, which runs two tasks at a time.
        origin: The origin.
        directory: The directory of the files.
    """
    data, marks = directory / "data", directory / "marks"
    marks.mkdir()
    arguments = task_arguments(origin, data)
    origin.fault("/stalled/*", Stall(after=100), times=0)
    stalled = [
        Transfer(
            "item 'i'",
            f"stalled{number}",
            (Candidate(origin.href(f"/stalled/{number}"), str(data / f"stalled{number}")),),
            str(data),
        )
        for number in range(2)
    ]

    def failed(task: Any, run: Any, state: Any) -> None:
        (marks / f"failed {run.name}").touch()

    @flow(task_runner=runner)
    def user_flow() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        first = flows.download_asset.with_options(on_failure=[failed])
        submitted = [first.submit(transfer, OPTIONS) for transfer in stalled]
        for name, values in arguments.items():
            task = getattr(flows, name).with_options(on_failure=[failed])
            submitted.append(task.submit(**values))
        (marks / "run.part").write_text(str(context.flow_run.id))
        (marks / "run.part").rename(marks / "run")
        for future in submitted:
            future.wait()

    running = asyncio.ensure_future(asyncio.to_thread(user_flow, return_state=True))
    await wait_until(lambda: (marks / "run").exists() and origin.in_flight == 2)
    async with get_client() as client:
        run_id = UUID((marks / "run").read_text())
        await client.set_flow_run_state(run_id, Cancelling(), force=True)
    await wait_until(running.done)
    state = running.result()
    state.state_details.flow_run_id = run_id
    _, task_runs = await read_back(state, 2 + len(arguments))
    assert [run.state.name for run in task_runs if run.state] == ["Cancelled"] * len(task_runs)
    assert {run.state.message for run in task_runs if run.state} == {"the flow run was stopped"}
    assert [path.name for path in marks.iterdir()] == ["run"]
    assert list_files(data) == []
    assert not origin.gets("/0.tif")


async def assert_fail_fast_cancels_waiting_tasks(
    runner: Any, origin: Origin, directory: Path
) -> None:
    """Fail an asset with `fail_fast`, and assert that running and waiting assets are cancelled.

    Args:
        runner: The task runner, which runs two tasks at a time.
        origin: The origin.
        directory: The directory of the files.
    """
    href = make_item(origin, *(f"k{number}" for number in range(6)))
    origin.fault("/k0.tif", Stall(after=100), times=0)
    origin.fault("/k1.tif", Status(503), times=0)
    options = with_options(fail_fast=True, http_max_attempts=1_000_000, retry_wait_max=0.1)
    download = flows.download_item.with_options(task_runner=runner)
    with listed_submissions(type(runner)) as submitted:
        running = asyncio.ensure_future(
            download(href, str(directory), options, granularity="asset", return_state=True)
        )
        await wait_until(lambda: origin.gets("/k0.tif") and origin.gets("/k1.tif"))
        await wait_until(lambda: len(submitted) == 6)
        origin.fault("/k1.tif", Status(404), times=0)  # The latest fault applies.
        await wait_until(running.done)
    state: State[Any] = running.result()
    _, task_runs = await read_back(state, 7)
    assert isinstance(await state.aresult(raise_on_failure=False), ResponseError)
    found = states(task_runs)
    assert found.pop(f"client for {origin.url}/") == ("Completed", "COMPLETED")
    assert found.pop("the-item/k1") == ("Failed", "FAILED")
    assert Counter(found.values()) == {("Cancelled", "CANCELLED"): 5}
    assert "another asset failed first" in message(task_runs, "the-item/k5")
    assert {request.path for request in origin.gets("/k*")} == {"/k0.tif", "/k1.tif"}
    assert list_files(directory) == []


async def assert_hook_tasks_complete_and_remaining_tasks_stop(
    runner: Any, origin: Origin, directory: Path
) -> None:
    """Fail a run with a hook that submits tasks, and assert that only these tasks complete.

    Args:
        runner: The task runner, which runs two tasks at a time.
        origin: The origin.
        directory: The directory of the files.
    """
    data, marks = directory / "data", directory / "marks"
    marks.mkdir()
    arguments = task_arguments(origin, data)
    origin.fault("/k*.tif", Stall(after=100), times=0)
    document = item_document(origin, *(f"k{number}" for number in range(4)))
    planner = Planner(data, OPTIONS.config(), LOCAL_FACTS)
    remaining = list(planner.assets(pystac.Item.from_dict(document)))

    def submit_all(flow: Any, run: Any, state: Any) -> None:
        futures = [getattr(flows, name).submit(**values) for name, values in arguments.items()]
        for future in futures:
            future.wait()
        (marks / "hook").write_text(" ".join(str(future.state.type.value) for future in futures))

    @flow(task_runner=runner, on_failure=[submit_all])
    def user_flow() -> None:
        submitted = [flows.download_asset.submit(transfer, OPTIONS) for transfer in remaining]  # type: ignore[arg-type]
        block_until((marks / "raise").exists)
        # The reference to the futures keeps Dask from dropping the tasks.
        raise ValueError(f"the flow fails before its {len(submitted)} tasks")

    running = asyncio.ensure_future(asyncio.to_thread(user_flow, return_state=True))
    await wait_until(lambda: origin.in_flight == 2)
    (marks / "raise").touch()
    await wait_until(running.done)
    state: State[Any] = running.result()
    assert (marks / "hook").read_text().split() == ["COMPLETED"] * len(arguments)
    _, task_runs = await read_back(state, len(remaining) + len(arguments))
    found = states(task_runs)
    stopped = [found.pop(f"the-item/k{number}") for number in range(4)]
    assert stopped == [("Cancelled", "CANCELLED")] * 4
    assert len(found) == len(arguments)
    assert {kind for _, kind in found.values()} == {"COMPLETED"}
    # Processes take the first tasks in any order.
    assert len({request.path for request in origin.gets("/k*")}) == 2
