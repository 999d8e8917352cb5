"""Fixtures for tests that use a Prefect server, registered by `tests/conftest.py`.

Tests below `tests/flows` use `prefect_test` automatically. Other modules request the fixture with
`pytestmark = pytest.mark.usefixtures("prefect_test")`.
"""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Iterator, Sequence

import pytest
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from tests.support.paths import ROOT
from tests.support.prefect_environment import import_path
from tests.support.prefect_server import prefect_server as running_server
from tests.support.server_logs import ServerLog
from tests.support.workers import running_worker

_LIBRARY = ROOT / "tests" / "stac_asset"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that use Prefect last and in a single event loop, and ignore its open sockets.

    Prefect keeps the HTTP and websocket clients of an event loop until the process ends. The server
    and the worker of the session take 3 % of a core while they have nothing to do, so that they
    start as late as possible. Tests with servers of their own take long and come first.
    """
    on_server = {item.path for item in items if "prefect_server" in _fixtures(item)}
    items.sort(key=lambda item: (item.path in on_server, _LIBRARY in item.path.parents))
    for item in items:
        if "prefect_test" in _fixtures(item):
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
            )


def _fixtures(item: pytest.Item) -> Sequence[str]:
    """Return the names of all fixtures of a test."""
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


@pytest.fixture
def prefect_test(prefect_server: None, collected_sockets: None) -> None:
    """Run a test on the Prefect server."""


@pytest.fixture(scope="module")
def collected_sockets(prefect_server: None) -> Iterator[None]:
    """Collect the sockets that Prefect left open, after the last test of a module.

    A collection after each test would take 40 ms of each test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """Log of the server. Tests announce expected errors."""
    return ServerLog(tmp_path_factory.mktemp("server") / "server.log")


@pytest.fixture(scope="session")
def prefect_server(
    server_log: ServerLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Start a Prefect server with a new database, and connect the test process to the server.

    Processes of task runners, which inherit the environment, start as forks.
    """
    storage = {PREFECT_LOCAL_STORAGE_PATH: tmp_path_factory.mktemp("results")}
    with (
        temporary_settings(storage),
        pytest.MonkeyPatch.context() as patch,
        running_server(server_log),
    ):
        patch.setenv("PYTHONPATH", import_path())
        yield


@pytest.fixture(scope="session")
def worker_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """Log of the worker and of all deployment runs. Tests announce expected errors."""
    return ServerLog(tmp_path_factory.mktemp("worker") / "worker.log")


@pytest.fixture(scope="session")
def pool(prefect_server: None, worker_log: ServerLog) -> Iterator[str]:
    """Name of a work pool with a worker."""
    with running_worker(worker_log) as name:
        yield name
