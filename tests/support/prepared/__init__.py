"""Processes of Prefect that start as forks of a process with all imports."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import block_until

_LOOPS = {
    # Changed deployments get scheduled runs soon. The default is 5 s.
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "2",
    # Deployments that a busy server missed get scheduled runs. The default is 60 s.
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
    # Automations that wait for an event are examined every 5 s by default.
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT2S",
    # No test needs these services, which run every 5 s by default.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
}
"""Intervals of the services of a Prefect server, which Prefect reads at the import."""


def prepare_processes(folder: Path) -> None:
    """Write a `sitecustomize.py` that starts processes as forks.

    Args:
        folder: A folder of the import path of the processes.
    """
    path, _ = _running_server()
    described = {"socket": str(path), "prefix": sys.prefix}
    (folder / "prepared.json").write_text(json.dumps(described))
    shutil.copyfile(Path(__file__).with_name("client.py"), folder / "sitecustomize.py")


@cache
def _running_server() -> tuple[Path, object]:
    """Return the socket of the server of this test run, and objects that the process keeps.

    The server of all processes of a test run ends after the last connection.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    path = Path(tempfile.gettempdir(), f"stac-asset-tests-{run}", "socket")
    path.parent.mkdir(exist_ok=True)
    connection = socket.socket(socket.AF_UNIX)
    with path.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = None if path.exists() else _start(path)
        connection.connect(str(path))
    return path, (connection, process)


def _start(path: Path) -> subprocess.Popen[bytes]:
    """Start a server, and wait until the server accepts connections."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.prepared.server", str(path)],
        cwd=ROOT,
        env={**kept, **_LOOPS, "PREFECT_HOME": str(path.with_name("prefect"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    block_until(lambda: path.exists() or process.poll() is not None, interval=0.05)
    assert process.poll() is None, "the server of prepared processes has ended"
    return process
