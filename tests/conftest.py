"""Fixtures and hooks of all tests."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
from collections.abc import Generator, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

import stac_asset
from stac_asset import Config
from stac_asset.testing import Origin
from tests.support.azurite import Azurite, azurite_running
from tests.support.memory_logs import skip_memory_logs
from tests.support.object_stores import AzureContainer
from tests.support.paths import SHARED_DATA
from tests.support.prefect_fixtures import (
    collected_sockets,
    pool,
    prefect_server,
    prefect_test,
    pytest_collection_modifyitems,
    server_log,
    worker_log,
)
from tests.support.rotated_imports import import_test_modules
from tests.support.schema_checks import check_schemas_once
from tests.support.server_logs import pytest_runtest_setup

# On a busy machine, an example can take longer than the deadline of 200 ms.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

# Pytest finds hooks and fixtures by name.
__all__ = [
    "collected_sockets",
    "pool",
    "prefect_server",
    "prefect_test",
    "pytest_collection_modifyitems",
    "pytest_runtest_setup",
    "server_log",
    "worker_log",
]

# Collections of garbage during the imports take a second of each worker process.
gc.disable()

# Hypothesis draws constants from the imported modules. A module that is imported during a test
# would change the drawn values.
for _module in pkgutil.walk_packages(stac_asset.__path__, "stac_asset."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

check_schemas_once()
skip_memory_logs()

# Ray reads the variable during the import. With the value 0, the cluster uses the loopback
# interface.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

# A process that a shell script starts in the background ignores SIGINT. Child processes inherit
# this setting, but the tests interrupt some of them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Name the versions that decide whether Prefect's server works."""
    names = ("prefect", "fastapi", "sqlalchemy", "pydantic")
    return ", ".join(f"{name} {version(name)}" for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Import the test modules, and enable garbage collections again.

    The main process of parallel tests calls this hook too.
    """
    try:
        import_test_modules(Path(argument).absolute() for argument in session.config.args)
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Exclude all imported modules from garbage collections, which tests start often."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a skip as a failure in CI, where all dependencies of the tests are installed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {call.excinfo}"
    return report


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A new HTTP origin, without received requests."""
    with Origin() as running:
        yield running


@pytest.fixture
def config() -> Config:
    """A configuration with short waits between retries."""
    return Config(retry_wait=0.01, retry_wait_max=0.05)


@pytest.fixture
def shared_data() -> Path:
    """The directory of real STAC documents next to the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data does not exist")
    return SHARED_DATA


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Run Azurite for all tests. Each test uses its own container."""
    with azurite_running() as running:
        yield running


@pytest.fixture
def container(azurite: Azurite) -> AzureContainer:
    """Return an empty container."""
    return AzureContainer.create(azurite)
