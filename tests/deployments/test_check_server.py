"""The commands `check --server`, `server` and `up` with servers that create no scheduled runs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    temporary_settings,
)
from pydantic import SecretStr

import prefect_stac_asset.deployments.local_stack.stack as local_stack
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.deployments.local_stack.stack import Stack
from prefect_stac_asset.deployments.schedules import ScheduleError
from tests.support.deployments_cli import run_deployments_cli
from tests.support.http_client import CLIENT
from tests.support.paths import ROOT
from tests.support.prefect_databases import QUICK_SERVER, make_prefect_home
from tests.support.prefect_environment import import_path
from tests.support.prefect_server import server_process
from tests.support.scheduled_mirror import wait_for
from tests.support.server_logs import checked_log
from tests.support.servers import free_port

LOGIN = "admin:s3cret"
AUTH = ("admin", "s3cret")
SERVER_COMMAND = ("prefect_stac_asset.deployments", "server")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the server's database."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    """API URL of a server that requires authentication and creates no scheduled runs."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
    }
    make_prefect_home(home)
    configured = (
        prefect_settings(url, home)
        | QUICK_SERVER
        | {
            "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
    )
    environment, log = inherited | configured, home / "log"
    with (
        checked_log(log),
        server_process(port, log, "--no-services", environment=environment, command=SERVER_COMMAND),
    ):
        yield url


def post(url: str, path: str, **body: Any) -> Any:
    response = CLIENT.post(f"{url}{path}", json=body, auth=AUTH)
    assert response.is_success, response.text
    return response.json()


def prefect_settings(url: str, home: Path) -> dict[str, str]:
    return {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": LOGIN, "PREFECT_HOME": str(home)}


def is_empty(url: str) -> bool:
    return not any(post(url, f"/{kind}/filter") for kind in ("flows", "deployments", "flow_runs"))


def test_check_fails_for_server_without_scheduler(server: str, tmp_path: Path) -> None:
    environment = prefect_settings(server, tmp_path)
    done = run_deployments_cli("check", "--server", "--wait", "8", **environment)
    version = CLIENT.get(f"{server}/admin/version", auth=AUTH).json()
    assert (done.returncode, done.stdout) == (1, "")
    waiting, error = done.stderr.splitlines()
    assert waiting == f"waiting for a scheduled run of {server}, at most 8 s"
    assert error.startswith(
        f"error: The server at {server} (Prefect {version}) created no scheduled run within 8 s. "
    )
    assert is_empty(server)


def test_server_refuses_invalid_blocks_that_are_created_or_changed(server: str, home: Path) -> None:
    settings = {
        PREFECT_API_URL: server,
        PREFECT_API_AUTH_STRING: LOGIN,
        PREFECT_HOME: home,
    }
    with temporary_settings(settings):
        HttpCredentials.register_type_and_schema()
        block = HttpCredentials(hosts=["a.example"], token=SecretStr("t"))
        saved = block.save("mine")
    path = f"{server}/block_documents/{saved}"
    document = CLIENT.get(path, auth=AUTH).json()
    wrong = {"hosts": ["a/b"], "token": "s3same"}
    new = {name: document[name] for name in ("block_type_id", "block_schema_id")}
    created = CLIENT.post(
        f"{server}/block_documents/", json={**new, "name": "wrong", "data": wrong}, auth=AUTH
    )
    for refused in (
        created,
        CLIENT.patch(path, json={"data": {"hosts": ["a/b"]}}, auth=AUTH),
        CLIENT.patch(path, json={"data": {"token": None}}, auth=AUTH),
        CLIENT.patch(
            path, json={"data": {"hosts": ["a"]}, "merge_existing_data": False}, auth=AUTH
        ),
    ):
        assert refused.status_code == 400, refused.text
        assert refused.json()["detail"].startswith("The block is invalid: ")
        assert "s3same" not in refused.text
    # The form sends masked secrets back, which the server does not change.
    masked = {"hosts": ["b.example"], "token": document["data"]["token"]}
    unmasked = {"include_secrets": True}
    assert CLIENT.patch(path, json={"data": masked}, auth=AUTH).is_success
    data = CLIENT.get(path, params=unmasked, auth=AUTH).json()["data"]
    assert (data["hosts"], data["token"]) == (["b.example"], "t")


def test_options_that_start_other_servers_are_refused() -> None:
    done = run_deployments_cli("server", "--workers=2")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Option '--workers=2' starts a server without the checks")


def test_interrupted_check_deletes_its_flow(server: str, tmp_path: Path) -> None:
    checking = subprocess.Popen(
        [sys.executable, "-m", "prefect_stac_asset.deployments", "check", "--server"],
        cwd=ROOT,
        env={
            **os.environ,
            **prefect_settings(server, tmp_path),
            "PYTHONPATH": import_path(),
        },
        stderr=subprocess.PIPE,
    )
    try:
        (found,) = wait_for(lambda: post(server, "/deployments/filter"), "deployment of the check")
        (schedule,) = found["schedules"]
        assert schedule["active"]
        assert found["work_pool_name"] is None
        first = datetime.fromisoformat(schedule["schedule"]["anchor_date"])
        assert first > datetime.now(UTC) + timedelta(days=20)
        checking.send_signal(signal.SIGINT)
        _, printed = checking.communicate(timeout=300)
    finally:
        checking.kill()
        checking.wait(60)
    assert checking.returncode == 130
    assert b"Traceback" not in printed
    assert is_empty(server)


def test_check_deletes_flow_of_a_killed_check(server: str, home: Path, tmp_path: Path) -> None:
    abandoned = post(server, "/flows/", name="check-of-schedules-killed")
    recent = post(server, "/flows/", name="check-of-schedules-at-work")
    with closing(sqlite3.connect(home / "prefect.db")) as database, database:
        created = "UPDATE flow SET created = '2026-01-01 00:00:00.000000' WHERE name = ?"
        assert database.execute(created, (abandoned["name"],)).rowcount == 1
    done = run_deployments_cli(
        "check", "--server", "--wait", "1", **prefect_settings(server, tmp_path)
    )
    assert done.returncode == 1
    assert [flow["id"] for flow in post(server, "/flows/filter")] == [recent["id"]]


def test_check_reports_refused_credentials(server: str, tmp_path: Path) -> None:
    key = {"PREFECT_API_KEY": "pnu_wrong", "PREFECT_HOME": str(tmp_path)}
    done = run_deployments_cli("check", "--server", PREFECT_API_URL=server, **key)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: Prefect's API {server} returned 401 Unauthorized. Check `PREFECT_API_URL` and "
        "`PREFECT_API_KEY` or `PREFECT_API_AUTH_STRING`.\n"
    )


def test_check_fails_without_configured_server(tmp_path: Path) -> None:
    done = run_deployments_cli("check", "--server", PREFECT_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: No Prefect server is configured. Set `PREFECT_API_URL`, for example to "
        "http://127.0.0.1:4200/api.\n"
    )
    assert not (tmp_path / "home" / "prefect.db").exists()


# `Stack` does not wait for the background processes that it starts.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_up_fails_if_server_creates_no_scheduled_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "false")
    monkeypatch.setattr(local_stack, "RUN_TIMEOUT", 6.0)
    for name, value in QUICK_SERVER.items():
        monkeypatch.setenv(name, value)
    make_prefect_home(tmp_path / "prefect")
    stack = Stack(tmp_path, free_port())
    lines = []

    async def up() -> None:
        async for line in stack.up(ROOT / "prefect.yaml"):
            lines.append(line)

    with checked_log(tmp_path / "server.log"), checked_log(tmp_path / "worker-stac-asset.log"):
        try:
            with pytest.raises(ScheduleError) as raised:
                await up()
        finally:
            ended = [line async for line in stack.down()]
    assert lines[-2].startswith("worker       of pool stac-asset, ")
    assert lines[-1] == "schedules    waiting for a scheduled run, at most 6 s"
    assert str(raised.value).startswith(f"The server at {stack.url}/api (Prefect ")
    assert ") created no scheduled run within 6 s. The scheduler " in str(raised.value)
    assert ended == ["worker-stac-asset was stopped", "server was stopped"]
