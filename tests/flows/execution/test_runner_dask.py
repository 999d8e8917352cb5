"""Batches on a Dask cluster with two worker processes. Some tests kill a worker process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster
from prefect_dask import DaskTaskRunner

from prefect_stac_asset.flows.execution.runner import WorkerError
from stac_asset import DownloadError
from stac_asset.testing import Origin, Stall, WrongType
from tests.support import cluster_contract as contract
from tests.support import stopping_contract
from tests.support.cluster_contract import documented_flow
from tests.support.flow_inputs import OPTIONS, put_item_collection
from tests.support.prefect_reads import read_back, read_logs, states
from tests.support.processes import wait_until
from tests.support.server_logs import ServerLog, checked_log


@pytest.fixture(scope="module")
def cluster(cluster_log: ServerLog) -> Iterator[LocalCluster]:
    # Each new worker process executes the script, including those that replace a killed worker.
    redirect_output = (
        "import os\n"
        f"log = os.open({str(cluster_log.path)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.dup2(log, 1), os.dup2(log, 2)\n"
    )
    with (
        # A worker may lose the scheduler while the cluster stops.
        checked_log(cluster_log, "Failed to communicate with scheduler during heartbeat"),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            preload=[redirect_output],
        ) as running,
    ):
        yield running


@pytest.fixture
def download(cluster: LocalCluster) -> Any:
    """The flow of the documentation with the cluster as task runner."""
    return documented_flow("DaskTaskRunner", "tcp://scheduler:8786", cluster.scheduler_address)


def busy_worker_pids(cluster: LocalCluster) -> list[int]:
    """Return the ids of the busy worker processes."""
    busy = {worker.address for worker in cluster.scheduler.workers.values() if worker.processing}
    return [nanny.pid for nanny in cluster.workers.values() if nanny.worker_address in busy]


async def test_batches_run_on_cluster_and_log_to_their_run(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    document = json.loads(origin.content("/items.json"))
    document["features"][7]["assets"]["b"]["type"] = "image/tiff; application=geotiff"
    origin.put("/items.json", json.dumps(document).encode())
    origin.fault("/7/b.tif", WrongType("text/plain"), times=0)
    state = await contract.assert_batches_run(download, cluster_log, origin, href, tmp_path)
    (log,) = await read_logs(state, "stac_asset.notices", 1)
    assert "text/plain" in log.message
    assert log.task_run_id is not None


async def test_tasks_of_other_flow_run_on_cluster(
    origin: Origin, tmp_path: Path, cluster: LocalCluster
) -> None:
    runner = DaskTaskRunner(address=cluster.scheduler_address)
    await contract.assert_own_flow_runs(runner, origin, tmp_path)


async def test_batches_write_to_bucket(origin: Origin, download: Any) -> None:
    await contract.assert_batches_write_to_bucket(download, origin)


async def test_fail_fast_stops_running_and_waiting_batches(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    await contract.assert_fail_fast_stops_batches(download, cluster_log, origin, tmp_path)


async def test_stopped_runs_cancel_waiting_tasks(
    origin: Origin, tmp_path: Path, cluster: LocalCluster, cluster_log: ServerLog
) -> None:
    cluster_log.expect_errors(
        r"Task run '[^']+' - Finished in state Cancelled\(",
        "Task run 'the-item/k1' - Finished in state Failed.* ResponseNotFoundError",
    )
    for check in (
        stopping_contract.assert_cancelled_run_stops_all_tasks,
        stopping_contract.assert_fail_fast_cancels_waiting_tasks,
        stopping_contract.assert_hook_tasks_complete_and_remaining_tasks_stop,
    ):
        directory = tmp_path / check.__name__
        directory.mkdir()
        origin.heal()
        origin.forget()
        await check(DaskTaskRunner(address=cluster.scheduler_address), origin, directory)


async def test_batch_of_killed_worker_is_resumed(
    origin: Origin, tmp_path: Path, download: Any, cluster: LocalCluster
) -> None:
    await contract.assert_killed_worker_is_replaced(
        download, lambda: busy_worker_pids(cluster), origin, tmp_path
    )


async def test_cancelled_run_stops_workers_and_new_run_resumes(
    origin: Origin,
    tmp_path: Path,
    download: Any,
    cluster: LocalCluster,
    cluster_log: ServerLog,
) -> None:
    href = contract.put_stalling_items(origin)
    cluster_log.expect_errors(
        r"'item-0/a and 5 more' - Finished in state Cancelled\('the flow run was"
    )
    running = asyncio.ensure_future(
        download(href, str(tmp_path), OPTIONS, granularity="batch", return_state=True)
    )
    await contract.wait_for_half_of_file(tmp_path)
    running.cancel()
    await asyncio.wait({running})
    await wait_until(lambda: not busy_worker_pids(cluster))
    assert not (tmp_path / "item-1" / "a.tif").exists()
    result = await download(href, str(tmp_path), OPTIONS, granularity="batch")
    assert result.downloaded + result.skipped == 6
    assert result.downloaded >= 1
    contract.assert_same_content(origin, tmp_path, [(1, "a")])
    assert origin.gets("/1/a.tif")[1].headers["range"].startswith("bytes=")


async def test_batch_lost_with_its_worker_fails_alone(
    origin: Origin,
    tmp_path: Path,
    download: Any,
    cluster: LocalCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    origin.fault("/0/a.tif", Stall(after=100), times=0)
    running = asyncio.ensure_future(download(href, str(tmp_path), OPTIONS, return_state=True))
    # All requests but the stalled one are complete: the other two batches have ended.
    await wait_until(lambda: len(origin.gets("/*/?.tif")) == 240 and origin.in_flight == 1)
    await wait_until(lambda: len(busy_worker_pids(cluster)) == 1)
    os.kill(busy_worker_pids(cluster)[0], signal.SIGKILL)
    state = await running
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert "100 of 240 assets failed" in (run.state.message or "")
    assert "The task runner lost the task run" in (run.state.message or "")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert {type(asset_error) for asset_error in error.exceptions} == {WorkerError}
    assert states(task_runs)["item-0/a and 99 more"] == ("Crashed", "CRASHED")
    assert states(task_runs)["item-25/a and 99 more"] == ("Completed", "COMPLETED")
    assert not (tmp_path / "item-0" / "a.tif").exists()
    assets = [(number, key) for number in range(60) for key in "abcd"]
    contract.assert_same_content(origin, tmp_path, assets[1:])
