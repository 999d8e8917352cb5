"""Batches on a real, local Ray cluster, one of whose worker processes is killed."""

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
from tests.flows import cluster_contract as contract
from tests.flows.running import documented
from tests.flows.test_states import make_items
from tests.server_logs import ServerLog, checked_log


@pytest.fixture(scope="module")
def cluster_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """The output of all workers. A test that provokes errors in it announces them here."""
    return ServerLog(tmp_path_factory.mktemp("cluster") / "workers.log")


@pytest.fixture(scope="module")
def cluster(cluster_log: ServerLog) -> Iterator[None]:
    """Two places on loopback alone, and no statistics sent anywhere."""
    folder = tempfile.mkdtemp(prefix="ray-")  # pytest's are too long for the names of sockets.
    with checked_log(cluster_log), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # No token: Ray reads its mode when it is imported, which other tests may have done before.
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
    """The flow, to be run on the cluster."""
    return documented("RayTaskRunner", 'address="ray://head:10001"', "")


def working() -> list[int]:
    """Returns the ids of the worker processes that have something to do."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("ray::download_assets"):
                found.append(process.pid)
    return found


async def test_batches_run_on_the_cluster(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")
    await contract.batches_run(download, cluster_log, origin, href, tmp_path)


async def test_fail_fast_stops_what_runs_and_what_waits(
    origin: Origin, tmp_path: Path, download: Any, cluster_log: ServerLog
) -> None:
    await contract.fail_fast_stops(download, cluster_log, origin, tmp_path)


async def test_killed_workers_batch_is_continued_by_another(
    origin: Origin, tmp_path: Path, download: Any
) -> None:
    await contract.killed_worker_is_replaced(download, working, origin, tmp_path)
