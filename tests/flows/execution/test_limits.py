"""Limits on simultaneous transfers, within a process and across runs."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.tasks.check import check_asset_exists
from prefect_stac_asset.flows.tasks.download import download_asset
from stac_asset.errors import ConfigError
from stac_asset.testing import Origin, Stall
from stac_asset.types import Downloaded, Skipped
from tests.support.files import list_files
from tests.support.flow_inputs import (
    OPTIONS,
    make_transfers,
    put_item_collection,
    save_item_collection,
    with_options,
    with_threads,
)
from tests.support.paths import ROOT
from tests.support.prefect_reads import read_back, read_logs, states
from tests.support.processes import block_until, poll, wait_until

_RUNNERS = ROOT / "docs" / "runners.md"

LIMIT_NAME = "stac-asset:127.0.0.1"


@pytest.fixture
def slow_origin() -> Iterator[Origin]:
    """An origin with a latency that makes transfers overlap."""
    with Origin(latency=0.02) as running:
        yield running


@pytest.fixture
def prefect_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Internal log messages of Prefect, such as those about unavailable slots."""
    messages: list[str] = []
    logger = logging.getLogger("prefect._internal.concurrency")
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: messages.append(record.getMessage()))
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "isEnabledFor", lambda level: True)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@asynccontextmanager
async def global_limit(slots: int, name: str = LIMIT_NAME) -> AsyncIterator[None]:
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
        return await client.read_global_concurrency_limit_by_name(LIMIT_NAME)


async def create_documented_limit() -> None:
    """Run the command in `docs/runners.md` that creates a limit, with the host of the tests."""
    (command,) = re.findall(r"^prefect (gcl create .*)$", _RUNNERS.read_text(), re.M)
    arguments = command.replace("download.dataspace.copernicus.eu", "127.0.0.1").split()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "prefect", *arguments],
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


async def wait_for_active_slots(count: int) -> None:
    await poll(read_limit, lambda limit: limit.active_slots == count)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_concurrent_downloads": 3},
        {"max_connections_per_host": 3},
    ],
)
async def test_run_limits_hold_across_threads(
    slow_origin: Origin, tmp_path: Path, limits: dict[str, int]
) -> None:
    put_item_collection(slow_origin, 60, "a", "b", "c", "d")
    source = save_item_collection(slow_origin, tmp_path)
    state = await with_threads(flows.download_item_collection, 4)(
        source, str(tmp_path / "to"), with_options(**limits), return_state=True
    )
    _, task_runs = await read_back(state, 4)
    assert states(task_runs)["item-50/a and 39 more"] == ("Completed", "COMPLETED")
    assert len(list_files(tmp_path / "to")) == 240 + 2
    assert slow_origin.in_flight_max == 3


async def test_tasks_of_user_flow_share_limits(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"max_concurrent_downloads": 2})
    with Origin(latency=0.3) as origin:
        planned = make_transfers(origin, tmp_path, 6)

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=6))
        def user_flow() -> list[Any]:
            states = check_asset_exists.map(planned).result()
            block_until(lambda: not origin.in_flight)
            origin.forget()
            done = download_asset.with_options(name="mine").map(planned, options).result()
            return [states, done, download_asset.submit(planned[0], options).result()]

        found, done, last = await asyncio.to_thread(user_flow)
        assert origin.in_flight_max == 2
    assert [type(outcome) for outcome in done] == [Downloaded] * 6
    assert [stat.size for stat in found] == [outcome.size for outcome in done]
    assert isinstance(last, Skipped)
    assert len(list_files(tmp_path)) == 6


async def test_concurrent_runs_share_global_limit(slow_origin: Origin, tmp_path: Path) -> None:
    options = with_options(concurrency_limits=[LIMIT_NAME])
    put_item_collection(slow_origin, 2, "a", "b", "c")
    source = save_item_collection(slow_origin, tmp_path)
    await create_documented_limit()
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
        await wait_for_active_slots(0)
    finally:
        async with get_client() as client:
            await client.delete_global_concurrency_limit_by_name(LIMIT_NAME)


async def test_cancelled_batch_releases_slots_to_waiting_batch(
    origin: Origin, tmp_path: Path, prefect_messages: list[str]
) -> None:
    options = with_options(concurrency_limits=[LIMIT_NAME], max_connections_per_host=3)
    href = put_item_collection(origin, 2, "a", "b", "c")

    def run(name: str) -> asyncio.Future[Any]:
        return asyncio.ensure_future(
            flows.download_item_collection(
                href, str(tmp_path / name), options, granularity="batch", return_state=True
            )
        )

    origin.fault("/*.tif", Stall(after=100), times=3)
    async with global_limit(4):
        first = run("first")
        await wait_until(lambda: origin.in_flight == 3)
        assert (await read_limit()).active_slots == 3
        second = run("second")
        await wait_until(lambda: any("Unable to acquire" in text for text in prefect_messages))
        assert len(origin.gets("/*.tif")) == 3
        first.cancel()
        await asyncio.wait({first})
        result = await (await second).aresult()
        assert result.downloaded == 6
        await wait_for_active_slots(0)


async def test_missing_limit_is_logged_once(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    options = with_options(concurrency_limits=["stac-asset:nowhere", LIMIT_NAME])
    async with global_limit(0, "stac-asset:elsewhere"):
        state = await flows.download_item_collection(
            href, str(tmp_path), options, return_state=True
        )
    assert (await state.aresult()).downloaded == 240
    logs = await read_logs(state, "prefect.flow_runs", 2, logging.WARNING)
    assert sorted(log.message for log in logs) == [
        "Concurrency limit 'stac-asset:127.0.0.1' does not exist and is ignored. "
        "Create it with `prefect gcl create stac-asset:127.0.0.1 --limit 4`.",
        "Concurrency limit 'stac-asset:nowhere' does not exist and is ignored. "
        "Create it with `prefect gcl create stac-asset:nowhere --limit 4`.",
    ]


async def test_limit_without_slots_fails_with_instruction(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 1, "a")
    options = with_options(concurrency_limits=[LIMIT_NAME])
    async with global_limit(0):
        state = await flows.download_item_collection(
            href, str(tmp_path), options, granularity="batch", return_state=True
        )
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "prefect gcl update stac-asset:127.0.0.1 --limit 4" in str(error)
    assert origin.gets("/*.tif") == []


def test_limit_name_without_prefix_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"`concurrency_limits\.0` is not valid: "):
        DownloadOptions(concurrency_limits=["copernicus"])
