"""Flow runs that `run_deployment` starts and that Prefect's API cancels."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import prefect
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.flow_runs import aresume_flow_run
from prefect.states import Cancelling

from prefect_stac_asset import flows
from prefect_stac_asset.flows.mirror.block_runs import DeployedRun
from stac_asset.errors import DownloadError, NotFoundError
from stac_asset.testing import Origin, Stall
from tests.support.flow_inputs import put_item_collection
from tests.support.server_logs import ServerLog, cancelled_run_errors
from tests.support.workers import deploy, final_flow_run_state

pytestmark = pytest.mark.usefixtures("prefect_test")

# Prefect 3.8 logs the exception of a failed run twice, and the process of the run has status 1.
FAILED_RUN_ERRORS = (
    (
        r"prefect\.engine - Execution of flow run .* unexpected exception.*DownloadError",
        r"Process for flow run .* exited with status code: 1",
    )
    if prefect.__version__.startswith("3.8.")
    else ()
)


async def test_failed_deployment_run_raises_download_error(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog
) -> None:
    name = await deploy(flows.download_item_collection, pool)
    source = put_item_collection(origin, 2, "a")
    origin.remove("/1/a.tif")
    flow_run = re.escape(f"Flow run 'download items.json to {tmp_path}'")
    worker_log.expect_errors(
        r"Task run 'item-1/a' - Finished in state Failed\(.*404 Not Found",
        rf"{flow_run} - Encountered exception during execution: DownloadError: ",
        rf"{flow_run} - Finished in state Failed\(.*1 of 2 assets failed",
        *FAILED_RUN_ERRORS,
    )
    run: Any = await run_deployment(
        name,
        parameters={"source": source, "directory": str(tmp_path)},
        timeout=280,
        poll_interval=1,
    )
    assert run.state.is_failed()
    with pytest.raises(DownloadError) as caught:
        await run.state.aresult()
    assert caught.value.total == 2
    assert [isinstance(error, NotFoundError) for error in caught.value.exceptions] == [True]


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_cancelled_run_stops_transfers_and_next_run_returns_all_items(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog, granularity: str
) -> None:
    name = await deploy(flows.download_item_collection, pool)
    source = put_item_collection(origin, 3, "a")
    origin.put("/1/a.tif", bytes(range(256)) * 4096)
    origin.fault("/1/a.tif", Stall(after=512 * 1024))
    parameters: dict[str, Any] = {
        "source": source,
        "directory": str(tmp_path),
        "granularity": granularity,
        "options": {"http_read_timeout": 600},
    }
    run: Any = await run_deployment(name, parameters=parameters, timeout=0)
    while not (origin.gets("/1/a.tif") and len(list(tmp_path.glob("item-*/*.tif"))) == 2):
        await asyncio.sleep(0.1)
    part = await _wait_for_part_file(tmp_path)
    worker_log.expect_errors(
        *cancelled_run_errors(f"download items.json to {tmp_path}", "item-(1/a|0/a and 2 more)")
    )
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelling())
    state = await final_flow_run_state(run)
    assert state.type == StateType.CANCELLED
    while origin.in_flight:
        await asyncio.sleep(0.1)
    assert not (tmp_path / "item-1" / "a.tif").exists()
    assert part.exists()
    origin.forget()
    # Any process can continue the download.
    result = await flows.download_item_collection(**parameters)
    assert [item.id for item in result.items()] == ["item-0", "item-1", "item-2"]
    (request,) = origin.gets("/*.tif")
    assert request.path == "/1/a.tif"
    assert request.range == f"bytes={512 * 1024}-"
    assert (tmp_path / "item-1" / "a.tif").read_bytes() == bytes(range(256)) * 4096


async def _wait_for_part_file(directory: Path) -> Path:
    """Wait until the part file of the stalled asset has 512 KiB, and return the path."""
    while True:
        for part in directory.rglob("*.part*"):
            if part.stat().st_size >= 512 * 1024:
                return part
        await asyncio.sleep(0.1)


async def test_run_of_a_saved_mirror_is_suspended_without_a_slot_until_approval(
    origin: Origin, tmp_path: Path, pool: str, worker_log: ServerLog
) -> None:
    # A saved mirror replaces the parameters that the deployment stores.
    stored = {"source": "absent.json", "max_items": 1}
    name = await deploy(flows.sync, pool, concurrency_limit=1, parameters=stored)
    worker_log.expect_errors(r"Finished in state Suspended\(type=PAUSED\)")
    mirror = flows.Mirror(
        source=put_item_collection(origin, 2, "a"),
        directory=str(tmp_path),
        approve_above={"bytes": 10},
    )
    await mirror.save(name.replace("/", "-"))
    run = await mirror.trigger(name)
    assert isinstance(run, DeployedRun)
    async with get_client() as client:
        await _wait_for_state(client, run.flow_run_id, "Suspended")
        limit = (await client.read_deployment_by_name(name)).global_concurrency_limit
        assert limit is not None
        assert (limit.limit, limit.active_slots) == (1, 0)
        assert origin.gets("*.tif") == []
        await aresume_flow_run(run.flow_run_id)
    await run.wait_for_completion()
    assert (await run.fetch_result()).downloaded == 2


async def _wait_for_state(client: PrefectClient, run_id: UUID, name: str) -> None:
    """Wait until a flow run has a state."""
    while (await client.read_flow_run(run_id)).state_name != name:
        await asyncio.sleep(0.1)
