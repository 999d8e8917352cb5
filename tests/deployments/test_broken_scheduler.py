"""Detection of a failing scheduler in the server log."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.http_client import CLIENT
from tests.support.prefect_databases import QUICK_SERVER, make_prefect_home
from tests.support.prefect_server import server_process
from tests.support.processes import block_until
from tests.support.server_logs import checked_log
from tests.support.servers import free_port


def test_failing_scheduler_is_detected_in_server_log(tmp_path: Path) -> None:
    port = free_port()
    make_prefect_home(tmp_path)
    environment = {
        **os.environ,
        **QUICK_SERVER,
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    log = tmp_path / "server.log"
    with pytest.raises(AssertionError) as failed, checked_log(log):
        _run_server_without_schedule_table(port, environment, log)
    assert "docket.dependencies" in str(failed.value)
    assert "schedule_deployments" in str(failed.value)
    assert "no such table: deployment_schedule" in str(failed.value)


def _run_server_without_schedule_table(port: int, environment: dict[str, str], log: Path) -> None:
    """Run a server, rename the table of schedules, and stop the server after an error is logged."""
    with server_process(port, log, "--no-ui", environment=environment) as server:
        assert " ERROR " not in log.read_text()
        with closing(sqlite3.connect(log.parent / "prefect.db")) as database:
            database.execute("ALTER TABLE deployment_schedule RENAME TO renamed_table")
        block_until(
            lambda: server.poll() is not None or " schedule_deployments()" in log.read_text(), 300
        )
        assert server.poll() is None
        assert CLIENT.get(f"http://127.0.0.1:{port}/api/health").is_success
