"""Batches on a local Ray cluster, also after a worker process is killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from stac_asset.testing import Origin
from tests.support import cluster_contract as contract
from tests.support.cluster_contract import documented_flow
from tests.support.flow_inputs import put_item_collection
from tests.support.server_logs import ServerLog, checked_log


@pytest.fixture(scope="module")
def cluster(cluster_log: ServerLog) -> Iterator[None]:
    """A cluster with two CPUs on the loopback interface, without usage statistics."""
    folder = tempfile.mkdtemp(prefix="ray-")  # Socket names in a folder of pytest are too long.
    with checked_log(cluster_log), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Ray reads the environment during the import. Other tests may have imported Ray before, so
        # that no token can be configured here.
        import ray

        ray.init(
            num_cpus=2,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            object_store_memory=100_000_000,
            log_to_driver=False,
            _temp_dir=folder,
        )
        try:
            assert ray.util.get_node_ip_address() == "127.0.0.1"
            yield
        finally:
            ray.shutdown()
            logs = [path.read_bytes() for path in Path(folder).glob("session_2*/logs/worker-*")]
            cluster_log.path.write_bytes(b"\n".join(logs))
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def download(cluster: None) -> Any:
    """The flow of the documentation with the cluster as task runner."""
    return documented_flow("RayTaskRunner", 'address="ray://head:10001"', "")


def busy_worker_pids() -> list[int]:
    """Return the ids of the busy worker processes."""
    pids = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("ray::download_assets"):
                pids.append(process.pid)
    return pids


async def test_batches_run_on_cluster(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    await contract.assert_batches_run(download, cluster_log, origin, href, tmp_path)


async def test_tasks_of_other_flow_run_on_cluster(
    origin: Origin, tmp_path: Path, cluster: None
) -> None:
    from prefect_ray import RayTaskRunner

    await contract.assert_own_flow_runs(RayTaskRunner(), origin, tmp_path)


async def test_batches_write_to_bucket(origin: Origin, download: Any) -> None:
    await contract.assert_batches_write_to_bucket(download, origin)


async def test_fail_fast_stops_running_and_waiting_batches(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    await contract.assert_fail_fast_stops_batches(download, cluster_log, origin, tmp_path)


async def test_batch_of_killed_worker_is_resumed(
    origin: Origin, tmp_path: Path, download: Any
) -> None:
    await contract.assert_killed_worker_is_replaced(download, busy_worker_pids, origin, tmp_path)
