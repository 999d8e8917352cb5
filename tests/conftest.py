"""What tests of all kinds share."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import stac_asset
from stac_asset import Config
from stac_asset.testing import Origin
from tests.server_logs import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]  # Hooks of pytest.

# Hypothesis draws constants of the modules that are imported, and a module that is imported in the
# middle of a test, as ours are when they are first used, would change what it draws.
for _module in pkgutil.walk_packages(stac_asset.__path__, "stac_asset."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

# Ray reads it when it is imported, whichever test does that first: its cluster is on loopback.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

# Whoever is started in the background by a script ignores Ctrl-C, and so does what it starts: even
# the processes that these tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Counts a skip as a failure where CI runs: it has all that a test may lack elsewhere."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI has all that it needs: {call.excinfo}"
    return report


_ROOT = Path(__file__).parents[1]
_SHARED_DATA = _ROOT.parent / "shared" / "data"


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An HTTP origin that nobody has asked anything yet."""
    with Origin() as running:
        yield running


@pytest.fixture
def config() -> Config:
    """A configuration whose retries do not wait long."""
    return Config(retry_wait=0.01, retry_wait_max=0.05)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real STAC documents beside the project."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("../shared/data is absent")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(_ROOT)], check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="session")
def installed_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the project's wheel, without those that it requires."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder
