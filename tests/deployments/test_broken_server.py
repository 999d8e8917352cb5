"""A server whose scheduler fails goes on as if nothing were wrong: its log tells."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.server_logs import checked_log
from tests.servers import free_port


def test_server_whose_scheduler_fails_in_the_background_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    environment = {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    }
    log = tmp_path / "server.log"
    with pytest.raises(AssertionError) as failed, checked_log(log):
        _run_without_schedules(command, environment, log, f"http://127.0.0.1:{port}/api/health")
    assert "docket.dependencies" in str(failed.value)
    assert "schedule_deployments" in str(failed.value)
    assert "no such table: deployment_schedule" in str(failed.value)


def _run_without_schedules(
    command: list[str], environment: dict[str, str], log: Path, health: str
) -> None:
    """Runs a server, takes its table of schedules away, and ends it after an error in its log."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _until(server, lambda: httpx.get(health).is_success)
        assert " ERROR " not in log.read_text()
        with closing(sqlite3.connect(log.parent / "prefect.db", timeout=60)) as database:
            database.execute("ALTER TABLE deployment_schedule RENAME TO elsewhere")
        _until(server, lambda: " schedule_deployments()" in log.read_text())
        assert httpx.get(health).is_success
    finally:
        server.terminate()
        server.wait(120)


def _until(server: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        assert server.poll() is None
        with suppress(httpx.HTTPError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("the server does not do it")
