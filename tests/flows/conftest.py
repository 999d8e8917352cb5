"""A real Prefect server, shared by all tests of flows."""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from tests.flows.deploying import running_worker
from tests.prefect_server import prefect_server as running_server
from tests.server_logs import ServerLog


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the flow tests in one event loop, and forgives Prefect its open sockets.

    Prefect keeps the HTTP and websocket clients of a loop until the process ends.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
            )


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collects what Prefect left unclosed here, so that no later test is blamed for it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """The log of the server. A test that provokes errors in it announces them here."""
    return ServerLog(tmp_path_factory.mktemp("server") / "server.log")


@pytest.fixture(scope="session", autouse=True)
def prefect_server(
    server_log: ServerLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A temporary server with a database of its own, which calls nobody."""
    storage = {PREFECT_LOCAL_STORAGE_PATH: tmp_path_factory.mktemp("results")}
    with temporary_settings(storage), running_server(server_log):
        yield


@pytest.fixture(scope="session")
def worker_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """The log of the worker and its runs. A test whose runs log errors announces them here."""
    return ServerLog(tmp_path_factory.mktemp("worker") / "worker.log")


@pytest.fixture(scope="session")
def pool(prefect_server: None, worker_log: ServerLog) -> Iterator[str]:
    """The name of a work pool with a worker."""
    with running_worker(worker_log) as name:
        yield name
