"""Batches on a real Dask cluster of two worker processes, one of which is killed now and then."""

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
from tests.flows import cluster_contract as contract
from tests.flows import stopping_contract
from tests.flows.reading import read_back, read_logs, states
from tests.flows.running import documented, until
from tests.flows.test_states import OPTIONS, make_items
from tests.server_logs import ServerLog, checked_log


@pytest.fixture(scope="module")
def cluster_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """The output of all workers. A test that provokes errors in it announces them here."""
    return ServerLog(tmp_path_factory.mktemp("cluster") / "workers.log")


@pytest.fixture(scope="module")
def cluster(cluster_log: ServerLog) -> Iterator[LocalCluster]:
    # Each worker runs it when it starts, and so do those that replace a killed one.
    to_the_log = (
        "import os\n"
        f"log = os.open({str(cluster_log.path)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.dup2(log, 1), os.dup2(log, 2)\n"
    )
    with (
        checked_log(cluster_log),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            preload=[to_the_log],
        ) as running,
    ):
        yield running


@pytest.fixture
def download(cluster: LocalCluster) -> Any:
    """The flow, to be run on the cluster."""
    return documented("DaskTaskRunner", "tcp://scheduler:8786", cluster.scheduler_address)


def working(cluster: LocalCluster) -> list[int]:
    """Returns the ids of the worker processes that have something to do."""
    busy = {worker.address for worker in cluster.scheduler.workers.values() if worker.processing}
    return [nanny.pid for nanny in cluster.workers.values() if nanny.worker_address in busy]


async def test_batches_run_on_the_cluster_and_their_logs_are_the_runs(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")
    document = json.loads(origin.content("/items.json"))
    document["features"][7]["assets"]["b"]["type"] = "image/tiff; application=geotiff"
    origin.put("/items.json", json.dumps(document).encode())
    origin.fault("/7/b.tif", WrongType("text/plain"), times=0)
    state = await contract.batches_run(download, cluster_log, origin, href, tmp_path)
    (log,) = await read_logs(state, "stac_asset.validate", 1)
    assert "text/plain" in log.message
    assert log.task_run_id is not None


async def test_fail_fast_stops_what_runs_and_what_waits(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    await contract.fail_fast_stops(download, cluster_log, origin, tmp_path)


async def test_stopped_runs_cancel_what_waits(
    origin: Origin, tmp_path: Path, cluster: LocalCluster, cluster_log: ServerLog
) -> None:
    cluster_log.provoke(
        r"Task run '[^']+' - Finished in state Cancelled\(",
        "Task run 'the-item/k1' - Task run failed with exception: ResponseNotFoundError",
        "Task run 'the-item/k1' - Finished in state Failed.* ResponseNotFoundError",
    )
    for stops in (
        stopping_contract.cancelled_run_stops_all_tasks,
        stopping_contract.fail_fast_cancels_those_that_begin_later,
        stopping_contract.hook_runs_what_it_submits_and_the_rest_stops,
    ):
        directory = tmp_path / stops.__name__
        directory.mkdir()
        origin.heal()
        origin.forget()
        await stops(DaskTaskRunner(address=cluster.scheduler_address), origin, directory)


async def test_killed_workers_batch_is_continued_by_another(
    origin: Origin, tmp_path: Path, download: Any, cluster: LocalCluster
) -> None:
    await contract.killed_worker_is_replaced(download, lambda: working(cluster), origin, tmp_path)


async def test_cancelled_run_stops_its_workers_and_a_new_run_continues(
    origin: Origin,
    tmp_path: Path,
    download: Any,
    cluster: LocalCluster,
    cluster_log: ServerLog,
) -> None:
    href = contract.hold_in_the_middle(origin)
    cluster_log.provoke(r"'item-0/a and 5 more' - Finished in state Cancelled\('the flow run was")
    running = asyncio.ensure_future(
        download(href, str(tmp_path), OPTIONS, granularity="batch", return_state=True)
    )
    await contract.until_in_the_middle(tmp_path)
    running.cancel()
    await asyncio.wait({running})
    await until(lambda: not working(cluster))
    assert not (tmp_path / "item-1" / "a.tif").exists()
    result = await download(href, str(tmp_path), OPTIONS, granularity="batch")
    assert result.downloaded + result.skipped == 6
    assert result.downloaded >= 1
    contract.same(origin, tmp_path, [(1, "a")])
    assert origin.gets("/1/a.tif")[1].headers["range"].startswith("bytes=")


async def test_batch_that_kills_its_workers_fails_and_the_others_go_on(
    origin: Origin,
    tmp_path: Path,
    download: Any,
    cluster: LocalCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    href = make_items(origin, 60, "a", "b", "c", "d")
    origin.fault("/0/a.tif", Stall(after=100), times=0)
    running = asyncio.ensure_future(download(href, str(tmp_path), OPTIONS, return_state=True))
    # The two others are done, and the stalled one is all that is left.
    await until(lambda: len(origin.gets("/*/?.tif")) == 240 and origin.in_flight == 1)
    await until(lambda: len(working(cluster)) == 1)
    os.kill(working(cluster)[0], signal.SIGKILL)
    state = await running
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert "100 of 240 assets failed" in (run.state.message or "")
    assert "The task runner lost the task run" in (run.state.message or "")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert {type(one) for one in error.exceptions} == {WorkerError}
    assert states(task_runs)["item-0/a and 99 more"] == ("Crashed", "CRASHED")
    assert states(task_runs)["item-25/a and 99 more"] == ("Completed", "COMPLETED")
    assert not (tmp_path / "item-0" / "a.tif").exists()
    assets = [(number, key) for number in range(60) for key in "abcd"]
    contract.same(origin, tmp_path, assets[1:])
