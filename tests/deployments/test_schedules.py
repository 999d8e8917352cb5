"""Scheduled runs: made by the server, carried out by a worker, and followed by the next ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import prefect
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_stac_asset.deployments.orphaned_runs import end_orphaned_runs
from stac_asset.testing import Origin, Stall
from tests.deployments.postgres import programs, running_postgres
from tests.deployments.scheduling import EVERY_TEN_SECONDS, INTERVAL, ScheduledMirror, ask, until
from tests.deployments.stacks import ROOT, Running, deployments, running_stack
from tests.server_logs import checked_log

QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "1"}

# A server that is killed takes the requests of its worker and of the runs with it.
SERVER_KILLED = (
    "All connection attempts failed",
    "ConnectError",
    "ConnectionRefusedError",
    "ReadError",
    "RemoteProtocolError",
    "ConnectionClosedError: no close frame received or sent",
    "Service 'EventsWorker' failed to process item",
    # A run that was at work: as Prefect 3.9 and 3.8 log the end of its process.
    "Process (for flow run .* )?exited with status code: 1",
)

# What Prefect 3.8 logs, with a traceback, when `serve` is interrupted. The runs are not affected.
SERVE_INTERRUPTED = (
    ("Failed to kill process .* during shutdown.*ProcessLookupError", "_handle_polling_task_done")
    if prefect.__version__.startswith("3.8.")
    else ()
)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def mirror(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> ScheduledMirror:
    mirror = ScheduledMirror("interval", origin, tmp_path_factory.mktemp("interval"))
    mirror.publish("first")
    return mirror


@pytest.fixture(scope="module")
def stack(mirror: ScheduledMirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stack")
    file = mirror.write(folder / "prefect.yaml", INTERVAL)
    with running_stack(folder / "up", file=file, **QUICK) as running:
        yield running
        mirror.rest(running.url)


def up(stack: Running, **environment: str) -> str:
    """Runs `up` again, with the same file, and returns what it prints."""
    file = stack.folder.parent / "prefect.yaml"
    arguments = ("up", "--folder", str(stack.folder), "--file", str(file))
    done = deployments(*arguments, PORT=str(stack.port), **environment, **QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pid_of(stack: Running, name: str) -> int:
    """Returns the process id of the server, or of the worker."""
    return int((stack.folder / f"{name}.pid").read_text())


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids), "end of a process")


def test_up_verifies_that_the_server_makes_scheduled_runs(stack: Running) -> None:
    *_, schedules, _, _ = stack.printed.splitlines()
    assert schedules.startswith(f"schedules    the server at {stack.url}/api (Prefect ")
    assert schedules.endswith(") creates scheduled runs")


def test_scheduled_runs_follow_the_source(stack: Running, mirror: ScheduledMirror) -> None:
    mirror.mirrored("first")
    (run, *_) = mirror.completed(stack.url)
    assert run["created_by"]["type"] == "SCHEDULE"
    assert run["work_pool_name"] == "stac-asset"
    mirror.publish("second")
    mirror.publish("first", b"changed")
    mirror.mirrored("second")
    mirror.mirrored("first", b"changed")
    mirror.completed(stack.url, 2)


def test_check_server_finds_that_it_makes_scheduled_runs(stack: Running, tmp_path: Path) -> None:
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path)}
    done = deployments("check", "--server", **server, PREFECT_API_KEY="pnu_key")
    assert done.returncode == 0, done.stderr
    version = ask("GET", f"{stack.url}/api/admin/version")
    assert done.stdout == (
        f"the server at {stack.url}/api (Prefect {version}) creates scheduled runs\n"
    )
    assert done.stderr == f"waiting for a scheduled run of {stack.url}/api, at most 90 s\n"
    for kind, name in (("flows", "sync"), ("deployments", "interval")):
        found = ask("POST", f"{stack.url}/api/{kind}/filter")
        assert [one["name"] for one in found] == [name]


def test_runs_go_on_after_a_killed_worker(stack: Running, mirror: ScheduledMirror) -> None:
    mirror.origin.fault("/worker-killed.tif", Stall(after=10, seconds=600), times=1)
    mirror.publish("worker-killed")
    until(lambda: mirror.origin.gets("/worker-killed.tif"), "request of the run")
    worker, server = pid_of(stack, "worker-stac-asset"), pid_of(stack, "server")
    (running,) = mirror.runs(stack.url, "RUNNING")
    orphans = [pid for pid in stack.processes() if pid not in (worker, server)]
    assert orphans
    kill(worker)
    printed = up(stack)
    assert f"run '{running['name']}' was set to Crashed: its worker was killed" in printed
    assert not set(orphans) & set(stack.processes())
    assert pid_of(stack, "server") == server
    assert pid_of(stack, "worker-stac-asset") != worker
    found = ask("GET", f"{stack.url}/api/flow_runs/{running['id']}")
    assert found["state"]["type"] == "CRASHED"
    assert found["state"]["message"] == "The worker was killed."
    count = len(mirror.runs(stack.url, "COMPLETED"))
    mirror.mirrored("worker-killed")
    mirror.completed(stack.url, count + 1)


def test_up_starts_all_else_if_the_server_refuses_a_deployment(
    stack: Running, tmp_path: Path
) -> None:
    document = json.loads((stack.folder.parent / "prefect.yaml").read_text())
    (listed,) = document["deployments"]
    pool = {"name": "stac-asset", "job_variables": {"stream_output": "never"}}
    wrong = {**listed, "name": "wrong", "schedules": [], "work_pool": pool}
    (tmp_path / "prefect.yaml").write_text(json.dumps({**document, "deployments": [wrong, listed]}))
    kill(pid_of(stack, "worker-stac-asset"))
    arguments = ("up", "--folder", str(stack.folder), "--file", str(tmp_path / "prefect.yaml"))
    done = deployments(*arguments, PORT=str(stack.port), **QUICK)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("error: Prefect refused deployment 'wrong': ")
    assert "deployment   sync/interval\n" in done.stdout
    assert "worker       of pool stac-asset, log in " in done.stdout
    assert done.stdout.endswith(" creates scheduled runs\n")


def test_runs_are_left_while_another_worker_of_the_pool_is_online(stack: Running) -> None:
    api, workers = f"{stack.url}/api", f"{stack.url}/api/work_pools/stac-asset/workers"
    ask("POST", f"{workers}/heartbeat", name="other", heartbeat_interval_seconds=30)
    flow = ask("POST", f"{api}/flows/", name="sync")
    running = {"type": "RUNNING", "name": "Running"}
    run = ask(
        "POST", f"{api}/flow_runs/", flow_id=flow["id"], state=running, work_pool_name="stac-asset"
    )
    with temporary_settings({PREFECT_API_URL: api}):
        assert asyncio.run(end_orphaned_runs("stac-asset")) == []
    path = f"{api}/flow_runs/{run['id']}"
    assert ask("GET", path)["state"]["type"] == "RUNNING"
    ask("DELETE", path)
    ask("DELETE", f"{workers}/other")


def test_runs_go_on_after_a_killed_server(stack: Running, mirror: ScheduledMirror) -> None:
    for log in stack.logs.values():
        log.provoke(*SERVER_KILLED)
    worker = pid_of(stack, "worker-stac-asset")
    count = len(mirror.completed(stack.url))
    kill(pid_of(stack, "server"))
    printed = up(stack)
    assert printed.startswith("starting     a server")
    assert pid_of(stack, "worker-stac-asset") == worker
    mirror.publish("server-killed")
    mirror.mirrored("server-killed")
    mirror.completed(stack.url, count + 1)


def test_served_deployment_runs_by_schedule(
    stack: Running, mirror: ScheduledMirror, origin: Origin, tmp_path: Path
) -> None:
    mirror.rest(stack.url)
    served = ScheduledMirror("served", origin, tmp_path / "mirror")
    served.publish("one")
    file = served.write(tmp_path / "prefect.yaml", INTERVAL)
    log = tmp_path / "serve.log"
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    with checked_log(log, *SERVE_INTERRUPTED), log.open("wb") as output:
        serving = subprocess.Popen(
            [sys.executable, "-m", "prefect_stac_asset.deployments", "serve", "--file", str(file)],
            cwd=tmp_path,
            env={
                **os.environ,
                **server,
                "PYTHONPATH": str(ROOT),
                "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            served.mirrored("one")
            served.completed(stack.url)
            served.publish("two")
            served.mirrored("two")
            served.completed(stack.url, 2)
            served.rest(stack.url)
            serving.send_signal(signal.SIGINT)  # As Ctrl-C does.
            assert serving.wait(120) == 0
        finally:
            serving.kill()
            serving.wait(60)


def test_cron_on_postgresql_goes_on_after_all_was_killed(origin: Origin, tmp_path: Path) -> None:
    mirror = ScheduledMirror("cron", origin, tmp_path / "mirror")
    mirror.publish("before")
    file = mirror.write(tmp_path / "prefect.yaml", EVERY_TEN_SECONDS)
    with (
        running_postgres(programs()) as database,
        running_stack(tmp_path / "up", file=file, DATABASE=database, **QUICK) as stack,
    ):
        mirror.mirrored("before")
        mirror.completed(stack.url)
        origin.fault("/after.tif", Stall(after=10, seconds=600), times=1)
        mirror.publish("after")
        until(lambda: origin.gets("/after.tif"), "request of the run")
        for log in stack.logs.values():
            log.provoke(*SERVER_KILLED)
        kill(*stack.processes())
        printed = up(stack, DATABASE=database)
        assert " was set to Crashed: its worker was killed" in printed
        mirror.mirrored("after")
        mirror.completed(stack.url, 2)
        mirror.rest(stack.url)
