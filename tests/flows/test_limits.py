"""How much is in work at once: in a process, and in all runs together."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, unmapped
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import ValidationError

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.process_limits import CrossLoopSemaphore
from prefect_stac_asset.flows.tasks.check import check_asset_exists
from prefect_stac_asset.flows.tasks.download import download_asset
from stac_asset.errors import ConfigError
from stac_asset.testing import Origin, Stall
from stac_asset.types import Downloaded, Skipped
from tests.flows.reading import read_back, read_logs, states
from tests.flows.running import files, transfers, until
from tests.flows.test_states import OPTIONS, make_items, with_options

_RUNNERS = Path(__file__).parents[2] / "docs" / "runners.md"

NAME = "stac-asset:127.0.0.1"


@pytest.fixture
def slow_origin() -> Iterator[Origin]:
    """An origin that is slow enough for transfers to meet there."""
    with Origin(latency=0.02) as running:
        yield running


@pytest.fixture
def prefect_says(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What Prefect says to itself while it waits for slots."""
    said: list[str] = []
    logger = logging.getLogger("prefect._internal.concurrency")
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(record.getMessage()))
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "isEnabledFor", lambda level: True)
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


def threads(count: int) -> Any:
    """Returns the flow, to be run in so many threads."""
    runner = ThreadPoolTaskRunner(max_workers=count)
    return flows.download_item_collection.with_options(task_runner=runner)


def items_on_disk(origin: Origin, directory: Path) -> str:
    """Returns where the items are that an origin has: reading them there would be no download."""
    path = directory / "items.json"
    path.write_bytes(origin.content("/items.json"))
    return str(path)


@asynccontextmanager
async def limit(slots: int, name: str = NAME) -> AsyncIterator[None]:
    async with get_client() as client:
        await client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=name, limit=slots)
        )
        try:
            yield
        finally:
            await client.delete_global_concurrency_limit_by_name(name)


async def read_limit() -> GlobalConcurrencyLimitResponse:
    async with get_client() as client:
        return await client.read_global_concurrency_limit_by_name(NAME)


async def create_by_command() -> None:
    """Runs what docs/runners.md says, for another host."""
    (command,) = re.findall(r"^    prefect (gcl create .*)$", _RUNNERS.read_text(), re.M)
    arguments = command.replace("download.dataspace.copernicus.eu", "127.0.0.1").split()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "prefect", *arguments],
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


async def until_slots(taken: int) -> None:
    async with asyncio.timeout(240):
        while (await read_limit()).active_slots != taken:
            await asyncio.sleep(0.1)


def test_places_are_shared_by_the_loops_of_many_threads() -> None:
    places, inside, most, lock = CrossLoopSemaphore(3), 0, 0, threading.Lock()

    async def visit() -> None:
        nonlocal inside, most
        async with places:
            with lock:
                inside += 1
                most = max(most, inside)
            await asyncio.sleep(0.001)
            with lock:
                inside -= 1

    async def visits() -> None:
        await asyncio.gather(*(visit() for _ in range(50)))

    running = [threading.Thread(target=lambda: asyncio.run(visits())) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert (inside, most) == (0, 3)


async def test_place_is_not_lost_to_one_who_was_cancelled() -> None:
    places = CrossLoopSemaphore(1)

    async def visit() -> None:
        async with places:
            pass

    async with places:
        waiting = [asyncio.create_task(visit()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # At the very moment at which it is its turn.
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(240):
        await visit()


@pytest.mark.parametrize(
    "limits",
    [
        {"max_concurrent_downloads": 3},
        {"max_connections_per_host": 3},
    ],
)
async def test_limits_hold_for_all_threads_together(
    slow_origin: Origin, tmp_path: Path, limits: dict[str, int]
) -> None:
    make_items(slow_origin, 60, "a", "b", "c", "d")
    source = items_on_disk(slow_origin, tmp_path)
    state = await threads(4)(
        source, str(tmp_path / "to"), with_options(**limits), return_state=True
    )
    _, task_runs = await read_back(state, 4)
    assert states(task_runs)["item-50/a and 39 more"] == ("Completed", "COMPLETED")
    assert len(files(tmp_path / "to")) == 240 + 2
    assert slow_origin.in_flight_max == 3


async def test_tasks_in_a_flow_of_ones_own_share_its_limits(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"max_concurrent_downloads": 2})
    with Origin(latency=0.3) as origin:
        planned = transfers(origin, tmp_path, 6)

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=6))
        def own() -> list[Any]:
            hrefs = [one.candidates[0].href for one in planned]
            states = check_asset_exists.map([one.key for one in planned], hrefs).result()
            while origin.in_flight:
                time.sleep(0.01)
            origin.forget()
            done = download_asset.with_options(name="mine").map(planned, unmapped(options)).result()
            return [states, done, download_asset.submit(planned[0], options).result()]

        found, done, last = await asyncio.to_thread(own)
        assert origin.in_flight_max == 2
    assert [type(outcome) for outcome in done] == [Downloaded] * 6
    assert [stat.size for stat in found] == [outcome.size for outcome in done]
    assert isinstance(last, Skipped)
    assert len(files(tmp_path)) == 6


async def test_two_runs_at_once_share_a_limit(slow_origin: Origin, tmp_path: Path) -> None:
    options = with_options(concurrency_limits=[NAME])
    make_items(slow_origin, 2, "a", "b", "c")
    source = items_on_disk(slow_origin, tmp_path)
    await create_by_command()
    try:
        done = await asyncio.gather(
            *(
                flows.download_item_collection(
                    source, str(tmp_path / name), options, granularity=granularity
                )
                for name, granularity in (("one", "batch"), ("two", "asset"))
            )
        )
        assert [result.downloaded for result in done] == [6, 6]
        assert slow_origin.in_flight_max <= 4
        await until_slots(0)
    finally:
        async with get_client() as client:
            await client.delete_global_concurrency_limit_by_name(NAME)


async def test_batch_waits_for_its_slots_and_gives_them_back_when_it_is_cancelled(
    origin: Origin, tmp_path: Path, prefect_says: list[str]
) -> None:
    options = with_options(concurrency_limits=[NAME], max_connections_per_host=3)
    href = make_items(origin, 2, "a", "b", "c")

    def run(name: str) -> asyncio.Future[Any]:
        return asyncio.ensure_future(
            flows.download_item_collection(
                href, str(tmp_path / name), options, granularity="batch", return_state=True
            )
        )

    origin.fault("/*.tif", Stall(after=100), times=3)
    async with limit(4):
        first = run("first")
        await until(lambda: origin.in_flight == 3)
        assert (await read_limit()).active_slots == 3
        second = run("second")
        await until(lambda: any("Unable to acquire" in text for text in prefect_says))
        assert len(origin.gets("/*.tif")) == 3
        first.cancel()
        await asyncio.wait({first})
        result = await (await second).aresult()
        assert result.downloaded == 6
        await until_slots(0)


async def test_limit_that_does_not_exist_is_noticed_once(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")
    options = with_options(concurrency_limits=["stac-asset:nowhere", NAME])
    async with limit(0, "stac-asset:elsewhere"):
        state = await flows.download_item_collection(
            href, str(tmp_path), options, return_state=True
        )
    assert (await state.aresult()).downloaded == 240
    logs = await read_logs(state, "prefect.flow_runs", 5)
    assert sorted(log.message for log in logs if log.level == logging.WARNING) == [
        "Concurrency limit 'stac-asset:127.0.0.1' does not exist and is ignored. "
        "Create it with `prefect gcl create stac-asset:127.0.0.1 --limit 4`.",
        "Concurrency limit 'stac-asset:nowhere' does not exist and is ignored. "
        "Create it with `prefect gcl create stac-asset:nowhere --limit 4`.",
    ]


async def test_limit_without_slots_fails_with_what_to_do(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 1, "a")
    options = with_options(concurrency_limits=[NAME])
    async with limit(0):
        state = await flows.download_item_collection(
            href, str(tmp_path), options, granularity="batch", return_state=True
        )
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "prefect gcl update stac-asset:127.0.0.1 --limit 4" in str(error)
    assert origin.gets("/*.tif") == []


def test_name_of_a_limit_is_checked() -> None:
    with pytest.raises(ValidationError, match="concurrency_limits"):
        DownloadOptions(concurrency_limits=["copernicus"])
