"""What a run on any cluster of two places has to do."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from stac_asset import DownloadError
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.errors import ResponseError
from stac_asset.testing import Origin, Stall, Status
from tests.flows.reading import message, read_back, states
from tests.flows.running import files, until
from tests.flows.test_states import OPTIONS, make_items, with_options
from tests.server_logs import ServerLog

HALF = 2_000_000
"""Bytes of a file that are sent before its source stalls."""


async def batches_run(
    download: Any, log: ServerLog, origin: Origin, href: str, directory: Path
) -> State[Any]:
    """Downloads 60 items of four assets, one of which does not exist, and returns the state.

    Args:
        download: The flow.
        log: The log of the workers.
        origin: The origin that has them.
        href: The items.
        directory: Where they go.
    """
    origin.remove("/55/c.tif")
    log.provoke(
        r"Task run 'item-50/a and 39 more' - Task run failed with exception: BatchError\(",
        r"Task run 'item-50/a and 39 more' - Finished in state Failed\(.*1 of 40 assets failed",
    )
    options = with_options(http_check_content_type=False)
    state: State[Any] = await download(href, str(directory), options, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert "1 of 240 assets failed" in (run.state.message or "")
    found = states(task_runs)
    assert found["item-0/a and 99 more"] == ("Completed", "COMPLETED")
    assert found["item-50/a and 39 more"] == ("Failed", "FAILED")
    assert "1 of 40 assets failed" in message(task_runs, "item-50/a and 39 more")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert "asset 'c' of item 'item-55': 404" in str(error)
    assert not (directory / "item-55" / "c.tif").exists()
    assert len(files(directory)) == 239 + 2
    same(origin, directory, [(number, key) for number in range(50) for key in "abcd"])
    return state


async def fail_fast_stops(download: Any, log: ServerLog, origin: Origin, directory: Path) -> None:
    """Fails in one of two batches that run, while two more wait."""
    href = make_items(origin, 100, "a", "b", "c", "d")
    origin.fault("/0/a.tif", Status(503), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(
        fail_fast=True, http_max_attempts=1_000_000, retry_wait_max=0.1, max_concurrent_downloads=5
    )
    log.provoke(
        r"Task run 'item-0/a and 99 more' - Task run failed with exception: ResponseForbidden",
        r"Task run 'item-0/a and 99 more' - Finished in state Failed\(.*403 Forbidden",
        r"Task run 'item-\d+/a and 99 more' - Finished in state Cancelled\('another asset failed",
    )
    running = asyncio.ensure_future(download(href, str(directory), options, return_state=True))
    await until(lambda: origin.in_flight >= 9)  # Both workers are in the middle of a batch.
    origin.fault("/0/a.tif", Status(403), times=0)  # The later one counts.
    state = await running
    run, task_runs = await read_back(state, 5)
    assert run.state is not None
    assert "asset 'a' of item 'item-0': 403" in (run.state.message or "")
    assert isinstance(await state.aresult(raise_on_failure=False), ResponseError)
    found = states(task_runs)
    assert found.pop(f"client for {origin.url}/") == ("Completed", "COMPLETED")
    assert found.pop("item-0/a and 99 more") == ("Failed", "FAILED")
    assert list(found.values()) == [("Cancelled", "CANCELLED")] * 3
    begun = {int(request.path.split("/")[1]) // 25 for request in origin.gets("/*/?.tif")}
    assert len(begun) == 2, "a batch began that had been waiting"
    assert files(directory) == []


async def killed_worker_is_replaced(
    download: Any, working: Callable[[], list[int]], origin: Origin, directory: Path
) -> None:
    """Kills the worker of a batch in the middle of a file; another one continues it.

    Args:
        download: The flow.
        working: Returns the ids of the worker processes that have something to do.
        origin: The origin.
        directory: Where the files go.
    """
    href = hold_in_the_middle(origin)
    running = asyncio.ensure_future(
        download(href, str(directory), OPTIONS, granularity="batch", return_state=True)
    )
    await until_in_the_middle(directory)
    (worker,) = working()
    os.kill(worker, signal.SIGKILL)
    state = await running
    run, task_runs = await read_back(state, 2)
    assert run.state is not None
    assert run.state.name == "Completed"
    assert states(task_runs)["item-0/a and 5 more"] == ("Completed", "COMPLETED")
    same(origin, directory, [(number, key) for number in range(3) for key in "ab"])
    assert len(files(directory)) == 6 + 2
    first, second = origin.gets("/1/a.tif")
    assert "range" not in first.headers
    assert second.headers["range"].startswith("bytes=")


def hold_in_the_middle(origin: Origin) -> str:
    """Puts three items of two assets on an origin, one of which stalls once after its half."""
    href = make_items(origin, 3, "a", "b")
    origin.put("/1/a.tif", size=2 * HALF)
    origin.fault("/1/a.tif", Stall(after=HALF), times=1)
    return href


async def until_in_the_middle(directory: Path) -> None:
    """Waits until the half of that file is on disk, so that it can be continued.

    Its note is older then, and whole: a worker may be killed in the middle of writing one.
    """
    part, _ = part_paths(directory / "item-1" / "a.tif")
    await until(lambda: part.exists() and part.stat().st_size >= HALF)


def same(origin: Origin, directory: Path, assets: list[tuple[int, str]]) -> None:
    """Asserts that files are what the origin has."""
    for number, key in assets:
        path = directory / f"item-{number}" / f"{key}.tif"
        assert path.read_bytes() == origin.content(f"/{number}/{key}.tif")
