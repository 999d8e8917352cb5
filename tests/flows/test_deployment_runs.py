"""Runs that others start: by `run_deployment`, and stopped by Prefect's API."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadResult, VerifyResult
from stac_asset.errors import DownloadError, NotFoundError
from stac_asset.testing import Origin, Stall
from tests.flows.deploying import deploy, ended
from tests.flows.test_states import make_items
from tests.server_logs import ServerLog, cancelled_run


async def test_result_of_a_deployment_run_loads_the_objects(
    origin: Origin, tmp_path: Path, pool: str
) -> None:
    name = await deploy(flows.download_item_collection, pool)
    source = make_items(origin, 2, "a")
    run: Any = await run_deployment(
        name, parameters={"source": source, "directory": str(tmp_path)}, timeout=280
    )
    assert isinstance(run, FlowRun)
    assert run.state is not None
    assert run.state.is_completed(), run.state
    result = await run.state.aresult()
    assert isinstance(result, DownloadResult)
    assert [item.id for item in result.items()] == ["item-0", "item-1"]


async def test_failed_deployment_run_says_what_failed(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog
) -> None:
    name = await deploy(flows.download_item_collection, pool)
    source = make_items(origin, 2, "a")
    origin.remove("/1/a.tif")
    flow_run = re.escape(f"Flow run 'download items.json to {tmp_path}'")
    worker_log.provoke(
        r"Task run 'item-1/a' - Task run failed with exception: ResponseNotFoundError\(",
        r"Task run 'item-1/a' - Finished in state Failed\(.*404 Not Found",
        rf"{flow_run} - Encountered exception during execution: DownloadError\(",
        rf"{flow_run} - Finished in state Failed\(.*1 of 2 assets failed",
    )
    run: Any = await run_deployment(
        name, parameters={"source": source, "directory": str(tmp_path)}, timeout=280
    )
    assert run.state.is_failed()
    with pytest.raises(DownloadError) as caught:
        await run.state.aresult()
    assert caught.value.total == 2
    assert [isinstance(error, NotFoundError) for error in caught.value.exceptions] == [True]


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_cancelling_stops_the_transfers_and_a_new_run_continues_them(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog, granularity: str
) -> None:
    name = await deploy(flows.download_item_collection, pool)
    source = make_items(origin, 3, "a")
    origin.put("/1/a.tif", bytes(range(256)) * 4096)
    origin.fault("/1/a.tif", Stall(after=512 * 1024))
    parameters = {
        "source": source,
        "directory": str(tmp_path),
        "granularity": granularity,
        "options": {"http_read_timeout": 600},
    }
    run: Any = await run_deployment(name, parameters=parameters, timeout=0)
    while not (origin.gets("/1/a.tif") and len(list(tmp_path.glob("item-*/*.tif"))) == 2):
        await asyncio.sleep(0.1)
    part = await _grown(tmp_path)
    worker_log.provoke(
        *cancelled_run(f"download items.json to {tmp_path}", "item-(1/a|0/a and 2 more)")
    )
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelling())
    state = await ended(run)
    assert state.type == StateType.CANCELLED
    while origin.in_flight:
        await asyncio.sleep(0.1)
    assert not (tmp_path / "item-1" / "a.tif").exists()
    assert part.exists()
    origin.forget()
    again: Any = await run_deployment(name, parameters=parameters, timeout=280)
    assert again.state.is_completed(), again.state
    (request,) = origin.gets("/*.tif")
    assert request.path == "/1/a.tif"
    assert request.range == f"bytes={512 * 1024}-"
    assert (tmp_path / "item-1" / "a.tif").read_bytes() == bytes(range(256)) * 4096


async def _grown(directory: Path) -> Path:
    """Returns the part file of the asset that stalls, when all of its first half is there."""
    while True:
        for part in directory.rglob("*.part*"):
            if part.stat().st_size >= 512 * 1024:
                return part
        await asyncio.sleep(0.1)


async def test_result_of_a_verification_is_persisted_too(
    origin: Origin, tmp_path: Path, pool: str
) -> None:
    await flows.download_item_collection(make_items(origin, 1, "a"), str(tmp_path))
    name = await deploy(flows.verify, pool)
    run: Any = await run_deployment(name, parameters={"directory": str(tmp_path)}, timeout=280)
    assert run.state.is_completed(), run.state
    result = await run.state.aresult()
    assert isinstance(result, VerifyResult)
    assert result.directory == str(tmp_path)
