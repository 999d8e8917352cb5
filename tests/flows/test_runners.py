"""Task runners in this process: the flow's own loop, and threads."""

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
from tests.flows.reading import read_back, states
from tests.flows.running import files, transfers, until
from tests.flows.test_states import OPTIONS, make_items, with_options


def threads(count: int, what: Any = flows.download_item_collection) -> Any:
    """Returns a flow, to be run in so many threads."""
    return what.with_options(task_runner=ThreadPoolTaskRunner(max_workers=count))


@pytest.mark.parametrize(
    ("runner", "submits"),
    [
        (None, False),
        (ThreadPoolTaskRunner(), False),
        (ThreadPoolTaskRunner(max_workers=3), True),
    ],
)
async def test_only_a_runner_that_was_asked_for_gets_tasks(
    runner: ThreadPoolTaskRunner[Any] | None, submits: bool
) -> None:
    @flow(task_runner=runner)
    async def own() -> bool:
        async with open_session(Config(), 1) as session:
            return Runner(session).submits

    assert await own() is submits


async def test_assets_in_threads(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 3, "a", "b")
    origin.remove("/1/b.tif")
    state = await threads(2)(href, str(tmp_path), OPTIONS, return_state=True)
    run, task_runs = await read_back(state, 7)
    assert run.state is not None
    assert "1 of 6 assets failed" in (run.state.message or "")
    found = states(task_runs)
    assert found["item-0/a"] == ("Completed", "COMPLETED")
    assert found["item-1/b"] == ("Failed", "FAILED")
    assert len(files(tmp_path)) == 5 + 2


async def test_few_tasks_are_submitted_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_stac_asset.flows.orchestration.units.MAX_SUBMITTED", 3)
    with Origin(latency=0.1) as origin:
        make_items(origin, 12, "a")
        source = tmp_path / "items.json"
        source.write_bytes(origin.content("/items.json"))
        result = await threads(8)(str(source), str(tmp_path), OPTIONS, granularity="asset")
        assert result.downloaded == 12
        assert origin.in_flight_max <= 3


async def test_checks_in_threads(origin: Origin) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")
    for granularity, task_runs in (("batch", 4), ("asset", 4)):
        source = href if granularity == "batch" else make_items(origin, 3, "a")
        state = await threads(2, flows.check_assets)(
            source, OPTIONS, granularity=granularity, return_state=True
        )
        result = await state.aresult()
        assert (result.exist, result.missing) == ((240, 0) if granularity == "batch" else (3, 0))
        await read_back(state, task_runs)


async def test_fail_fast_stops_threads(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 100, "a", "b", "c", "d")  # four batches for two threads
    origin.fault("/0/a.tif", Status(503), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(
        fail_fast=True,
        http_max_attempts=1_000_000,
        retry_wait_max=0.1,
        max_concurrent_downloads=200,  # Threads share the places of the run.
        max_connections_per_host=200,
    )
    running = asyncio.ensure_future(threads(2)(href, str(tmp_path), options, return_state=True))
    await until(lambda: {first(path) // 25 for path in asked(origin)} == {0, 1})
    origin.fault("/0/a.tif", Status(403), times=0)  # The later one counts.
    state = await running
    _, task_runs = await read_back(state, 5)
    assert isinstance(await state.aresult(raise_on_failure=False), ResponseError)
    found = states(task_runs)
    del found[f"client for {origin.url}/"]
    assert found.pop("item-0/a and 99 more") == ("Failed", "FAILED")
    assert list(found.values()) == [("Cancelled", "CANCELLED")] * 3
    assert {first(path) // 25 for path in asked(origin)} == {0, 1}
    assert files(tmp_path) == []


def asked(origin: Origin) -> list[str]:
    return [request.path for request in origin.gets("/*/?.tif")]


def first(path: str) -> int:
    return int(path.split("/")[1])


async def test_submitted_tasks_stop_when_their_run_is_cancelled(
    origin: Origin, tmp_path: Path
) -> None:
    origin.fault("/*.tif", Stall(after=100), times=0)
    run_ids = []

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def own() -> list[Any]:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        run_ids.append(context.flow_run.id)
        batch = download_assets.submit(transfers(origin, tmp_path, 3), OPTIONS)
        batch.wait()
        return [batch.state]

    running = asyncio.ensure_future(asyncio.to_thread(own))
    await until(lambda: origin.in_flight == 3)
    async with get_client() as client:
        await client.set_flow_run_state(run_ids[0], Cancelling(), force=True)
    (state,) = await running
    assert state.is_cancelled()
    assert state.message == "the flow run was stopped"
    assert files(tmp_path) == []


async def test_tasks_are_useful_in_a_flow_of_ones_own(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/2.tif")

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
    def own() -> Any:
        planned = transfers(origin, tmp_path, 4)
        futures = download_asset.with_options(name="mine").map(planned, unmapped(OPTIONS))
        return [future.result(raise_on_failure=False) for future in futures]

    results = await asyncio.to_thread(own)
    assert [type(one).__name__ for one in results] == [
        "Downloaded",
        "Downloaded",
        "ResponseNotFoundError",
        "Downloaded",
    ]


async def test_unsaved_credentials_are_refused_before_anything_is_submitted(
    origin: Origin, tmp_path: Path
) -> None:
    state = await threads(2)(
        make_items(origin, 1, "a"),
        str(tmp_path),
        OPTIONS,
        credentials=EarthdataCredentials(token="secret-token"),
        return_state=True,
    )
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "Save the block with" in str(error)
    assert "secret-token" not in str(error)
    assert asked(origin) == []


async def test_no_secret_is_submitted(origin: Origin, tmp_path: Path) -> None:
    block = EarthdataCredentials(token="secret-token")
    await block.asave("earthdata-of-runners", overwrite=True)
    state = await flows.download_item_collection.with_options(task_runner=Recording())(
        make_items(origin, 2, "a"),
        str(tmp_path),
        OPTIONS,
        credentials=block,
        return_state=True,
    )
    assert (await state.aresult()).downloaded == 2
    assert len(Recording.sent) == 2
    for sent in Recording.sent:
        assert b"secret-token" not in sent
        assert b"earthdata-of-runners" in sent


class Recording(ThreadPoolTaskRunner[Any]):
    """Keeps what would go to another process."""

    sent: ClassVar[list[bytes]] = []

    def submit(self, task: Any, parameters: Any, *more: Any, **others: Any) -> Any:
        self.sent.append(cloudpickle.dumps((task, parameters, serialize_context())))
        return super().submit(task, parameters, *more, **others)
