"""Task runners within a process: the event loop of the flow, and threads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import pytest
from prefect import flow, unmapped
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext, serialize_context
from prefect.states import Cancelling
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import EarthdataCredentials
from prefect_stac_asset.flows import download_asset, download_assets
from prefect_stac_asset.flows.execution.runner import Runner
from prefect_stac_asset.flows.execution.session import open_session
from stac_asset import Config
from stac_asset.errors import ConfigError, ResponseError
from stac_asset.testing import Origin, Stall, Status
from tests.support.files import list_files
from tests.support.flow_inputs import (
    OPTIONS,
    make_transfers,
    put_item_collection,
    save_item_collection,
    with_options,
    with_threads,
)
from tests.support.prefect_reads import read_back, states
from tests.support.processes import wait_until
from tests.support.submissions import listed_submissions


@pytest.mark.parametrize(
    ("runner", "submits"),
    [
        (None, False),
        (ThreadPoolTaskRunner(), False),
        (ThreadPoolTaskRunner(max_workers=3), True),
    ],
)
async def test_tasks_are_submitted_only_to_configured_runner(
    runner: ThreadPoolTaskRunner[Any] | None, submits: bool
) -> None:
    @flow(task_runner=runner)
    async def user_flow() -> bool:
        async with open_session(Config(), 1) as session:
            return Runner(session).submits

    assert await user_flow() is submits


async def test_threads_download_assets(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 3, "a", "b")
    origin.remove("/1/b.tif")
    state = await with_threads(flows.download_item_collection, 2)(
        href, str(tmp_path), OPTIONS, return_state=True
    )
    run, task_runs = await read_back(state, 7)
    assert run.state is not None
    assert "1 of 6 assets failed" in (run.state.message or "")
    found = states(task_runs)
    assert found["item-0/a"] == ("Completed", "COMPLETED")
    assert found["item-1/b"] == ("Failed", "FAILED")
    assert len(list_files(tmp_path)) == 5 + 2


async def test_number_of_submitted_tasks_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_stac_asset.flows.orchestration.units.MAX_SUBMITTED", 3)
    with Origin(latency=0.1) as origin:
        put_item_collection(origin, 12, "a")
        source = save_item_collection(origin, tmp_path)
        result = await with_threads(flows.download_item_collection, 8)(
            source, str(tmp_path), OPTIONS, granularity="asset"
        )
        assert result.downloaded == 12
        assert origin.in_flight_max <= 3


async def test_threads_check_assets(origin: Origin) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    for granularity, task_runs in (("batch", 4), ("asset", 4)):
        source = href if granularity == "batch" else put_item_collection(origin, 3, "a")
        state = await with_threads(flows.check_assets, 2)(
            source, OPTIONS, granularity=granularity, return_state=True
        )
        result = await state.aresult()
        assert (result.exist, result.missing) == ((240, 0) if granularity == "batch" else (3, 0))
        await read_back(state, task_runs)


async def test_fail_fast_cancels_batches_in_threads(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 100, "a", "b", "c", "d")  # four batches for two threads
    origin.fault("/0/a.tif", Status(503), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(
        fail_fast=True,
        http_max_attempts=1_000_000,
        retry_wait_max=0.1,
        max_concurrent_downloads=200,  # Threads share the limits of the run.
        max_connections_per_host=200,
    )
    download = with_threads(flows.download_item_collection, 2)
    with listed_submissions(ThreadPoolTaskRunner) as submitted:
        running = asyncio.ensure_future(download(href, str(tmp_path), options, return_state=True))
        await wait_until(
            lambda: {item_number(path) // 25 for path in requested_paths(origin)} == {0, 1}
        )
        await wait_until(lambda: len(submitted) == 4)
        # The latest fault applies. After 403, a download waits for the end of other downloads.
        origin.fault("/0/a.tif", Status(400), times=0)
        state = await running
    _, task_runs = await read_back(state, 5)
    assert isinstance(await state.aresult(raise_on_failure=False), ResponseError)
    found = states(task_runs)
    del found[f"client for {origin.url}/"]
    assert found.pop("item-0/a and 99 more") == ("Failed", "FAILED")
    assert list(found.values()) == [("Cancelled", "CANCELLED")] * 3
    assert {item_number(path) // 25 for path in requested_paths(origin)} == {0, 1}
    assert list_files(tmp_path) == []


def requested_paths(origin: Origin) -> list[str]:
    return [request.path for request in origin.gets("/*/?.tif")]


def item_number(path: str) -> int:
    return int(path.split("/")[1])


async def test_cancelled_run_stops_submitted_tasks(origin: Origin, tmp_path: Path) -> None:
    origin.fault("/*.tif", Stall(after=100), times=0)
    run_ids = []

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def user_flow() -> list[Any]:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        run_ids.append(context.flow_run.id)
        batch = download_assets.submit(make_transfers(origin, tmp_path, 3), OPTIONS)
        batch.wait()
        return [batch.state]

    running = asyncio.ensure_future(asyncio.to_thread(user_flow))
    await wait_until(lambda: origin.in_flight == 3)
    async with get_client() as client:
        await client.set_flow_run_state(run_ids[0], Cancelling(), force=True)
    (state,) = await running
    assert state.is_cancelled()
    assert state.message == "the flow run was stopped"
    assert list_files(tmp_path) == []


async def test_user_flow_maps_download_task(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/2.tif")

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
    def user_flow() -> Any:
        planned = make_transfers(origin, tmp_path, 4)
        futures = download_asset.with_options(name="mine").map(planned, unmapped(OPTIONS))
        return [future.result(raise_on_failure=False) for future in futures]

    results = await asyncio.to_thread(user_flow)
    assert [type(result).__name__ for result in results] == [
        "Downloaded",
        "Downloaded",
        "ResponseNotFoundError",
        "Downloaded",
    ]


async def test_unsaved_credentials_fail_before_tasks_are_submitted(
    origin: Origin, tmp_path: Path
) -> None:
    state = await with_threads(flows.download_item_collection, 2)(
        put_item_collection(origin, 1, "a"),
        str(tmp_path),
        OPTIONS,
        credentials=EarthdataCredentials(token="secret-token"),
        return_state=True,
    )
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "Save the block with" in str(error)
    assert "secret-token" not in str(error)
    assert requested_paths(origin) == []


async def test_submitted_tasks_contain_no_secret(origin: Origin, tmp_path: Path) -> None:
    block = EarthdataCredentials(token="secret-token")
    await block.asave("earthdata-of-runners", overwrite=True)
    state = await flows.download_item_collection.with_options(task_runner=RecordingRunner())(
        put_item_collection(origin, 2, "a"),
        str(tmp_path),
        OPTIONS,
        credentials=block,
        return_state=True,
    )
    assert (await state.aresult()).downloaded == 2
    assert len(RecordingRunner.pickles) == 2
    for content in RecordingRunner.pickles:
        assert b"secret-token" not in content
        assert b"earthdata-of-runners" in content


class RecordingRunner(ThreadPoolTaskRunner[Any]):
    """Runner that records the pickles that another process would receive."""

    pickles: ClassVar[list[bytes]] = []

    def submit(self, task: Any, parameters: Any, *more: Any, **others: Any) -> Any:
        self.pickles.append(cloudpickle.dumps((task, parameters, serialize_context())))
        return super().submit(task, parameters, *more, **others)
