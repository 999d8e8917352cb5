"""Fixtures for tests that use a Prefect server, registered by `tests/conftest.py`.

Tests below `tests/flows` use `prefect_test` automatically. Other modules request the fixture with
`pytestmark = pytest.mark.usefixtures("prefect_test")`.
"""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from tests.support.paths import ROOT
from tests.support.prefect_environment import import_path
from tests.support.prefect_server import prefect_server as running_server
from tests.support.server_logs import ServerLog
from tests.support.workers import running_worker

_TESTS = ROOT / "tests"
_LIBRARY = _TESTS / "stac_asset"

FIRST_FILES = (
    "flows/distribution/test_runs.py",
    "deployments/test_schedules.py",
    "deployments/local_stack/test_stack.py",
    "browser/test_run_form.py",
    "project/test_demo.py",
    "deployments/test_check_server.py",
)
"""Files that take a minute or more and mostly wait, which start first."""

LONG_FILES = (
    "deployments/test_deploy_methods.py",
    "flows/mirror/test_pgstac.py",
    "deployments/test_crashed_runs.py",
    "flows/execution/test_scale.py",
    "flows/parameters/test_block_references.py",
    "flows/parameters/test_credentials.py",
    "flows/execution/test_runner_dask.py",
    "flows/execution/test_runner_ray.py",
    "flows/execution/test_stopping.py",
    "flows/execution/test_embedded_server.py",
    "deployments/test_serving.py",
    "deployments/test_deployment_runs.py",
    "flows/mirror/test_flow.py",
    "project/test_code_blocks.py",
    "flows/distribution/test_coordinator.py",
    "flows/execution/test_pickling.py",
    "flows/mirror/test_resume.py",
    "flows/tasks/test_future_parameters.py",
)
"""Files that take 20 s or more, the first of those on the Prefect server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests for parallel runs, and ignore the open sockets of Prefect.

    Prefect keeps the HTTP and websocket clients of an event loop until the process ends. Tests that
    use Prefect therefore run in a single event loop.

    Long files come first, so that no process runs a long file after the others have ended. The
    server and the worker of the session take 3 % of a core while they have nothing to do. Tests
    that use them come last, after those of the library.
    """
    on_server = {item.path for item in items if "prefect_server" in _fixtures(item)}
    first, long = _ranks(FIRST_FILES), _ranks(LONG_FILES)
    items.sort(
        key=lambda item: (
            first.get(item.path, len(first)),
            item.path in on_server,
            _LIBRARY in item.path.parents,
            long.get(item.path, len(long)),
        )
    )
    for item in items:
        if "prefect_test" in _fixtures(item):
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
            )


def _ranks(names: Sequence[str]) -> dict[Path, int]:
    """Return the position of each file in a list."""
    ranks = {_TESTS / name: rank for rank, name in enumerate(names)}
    missing = [str(path) for path in ranks if not path.exists()]
    assert not missing, f"Correct the lists of long files: {', '.join(missing)} does not exist"
    return ranks


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
