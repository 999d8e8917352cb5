"""Scheduled flow runs, also after a killed worker or a killed server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import prefect
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_stac_asset.deployments.local_stack.background import Background
from prefect_stac_asset.deployments.local_stack.orphaned_runs import end_orphaned_runs
from stac_asset.testing import Origin, Stall
from tests.support.deployments_cli import Finished, run_deployments_cli
from tests.support.prefect_environment import import_path
from tests.support.scheduled_mirror import (
    INTERVAL,
    ScheduledMirror,
    call_api,
    wait_for,
)
from tests.support.server_logs import checked_log
from tests.support.stacks import SHORT_POLLING, RunningStack, running_stack

# Log entries of workers and flow runs whose server was killed.
SERVER_KILLED_ERRORS = (
    "All connection attempts failed",
    "ConnectError",
    "ConnectionRefusedError",
    "ReadError",
    "RemoteProtocolError",
    "ConnectionClosedError: no close frame received or sent",
    "Service 'EventsWorker' failed to process item",
    # Prefect 3.9 and 3.8 log the end of an active run with different texts.
    "Process (for flow run .* )?exited with status code: 1",
)

# Prefect 3.8 logs a traceback when `serve` is interrupted. Flow runs are not affected.
SERVE_INTERRUPTED_ERRORS = (
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
def stack(
    mirror: ScheduledMirror, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("stack")
    file = mirror.write(folder / "prefect.yaml", INTERVAL)
    with running_stack(folder / "up", file=file, **SHORT_POLLING) as running:
        yield running
        mirror.pause(running.url)


@pytest.fixture
def scheduled(stack: RunningStack, mirror: ScheduledMirror) -> Iterator[None]:
    """Start scheduled runs until the end of the test. Each run takes five seconds of a core."""
    mirror.set_paused(stack.url, False)
    yield
    mirror.set_paused(stack.url, True)


def run_up(stack: RunningStack, *options: str) -> Finished:
    """Run `up` again."""
    arguments = ("up", "--folder", str(stack.folder), *options)
    return run_deployments_cli(*arguments, PORT=str(stack.port), **stack.environment)


def pid_of(stack: RunningStack, name: str) -> int:
    """Return the process id of the server or a worker."""
    return int((stack.folder / f"{name}.pid").read_text())


def kill(stack: RunningStack, *pids: int) -> None:
    """Kill processes, and wait until none of them holds the lock of the server or of a worker.

    A prepared process has a fork, which holds the lock and ends shortly after the process.
    """
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    locked = [Background(path.stem, stack.folder) for path in stack.folder.glob("*.pid")]
    wait_for(
        lambda: (
            not any(Path(f"/proc/{pid}/exe").exists() for pid in pids)
            and not any(process.pid() in pids for process in locked)
        ),
        "end of a process",
    )


def test_up_confirms_scheduled_runs(stack: RunningStack) -> None:
    confirmation = (
        rf"^schedules    the server at {stack.url}/api \(Prefect .*\) creates scheduled runs$"
    )
    assert re.search(confirmation, stack.printed, re.M)


@pytest.mark.usefixtures("scheduled")
def test_scheduled_runs_mirror_changes_of_the_source(
    stack: RunningStack, mirror: ScheduledMirror
) -> None:
    mirror.wait_for_file("first")
    (run, *_) = mirror.wait_for_completed_runs(stack.url)
    assert run["created_by"]["type"] == "SCHEDULE"
    assert run["work_pool_name"] == "stac-asset"
    mirror.publish("second")
    mirror.publish("first", b"changed")
    mirror.wait_for_file("second")
    mirror.wait_for_file("first", b"changed")
    mirror.wait_for_completed_runs(stack.url, 2)


def test_sqlite_accepts_concurrent_changes(stack: RunningStack) -> None:
    """Prefect's own server responds to some of these requests with status 503."""
    path = f"{stack.url}/api/deployments/name/sync/interval"
    deployment = f"{stack.url}/api/deployments/{call_api('GET', path)['id']}"
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    # More connections than a browser opens.
    with ThreadPoolExecutor(8) as pool:
        created = pool.map(
            lambda _: call_api("POST", f"{deployment}/create_flow_run", state=state), range(24)
        )
        runs = [f"{stack.url}/api/flow_runs/{run['id']}" for run in created]
        list(pool.map(lambda run: call_api("DELETE", run), runs))


def test_check_confirms_scheduled_runs(stack: RunningStack, tmp_path: Path) -> None:
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path)}
    done = run_deployments_cli("check", "--server", **server, PREFECT_API_KEY="pnu_key")
    assert done.returncode == 0, done.stderr
    version = call_api("GET", f"{stack.url}/api/admin/version")
    assert done.stdout == (
        f"the server at {stack.url}/api (Prefect {version}) creates scheduled runs\n"
    )
    assert done.stderr == f"waiting for a scheduled run of {stack.url}/api, at most 90 s\n"
    for kind, name in (("flows", "sync"), ("deployments", "interval")):
        found = call_api("POST", f"{stack.url}/api/{kind}/filter")
        assert [entry["name"] for entry in found] == [name]


@pytest.mark.usefixtures("scheduled")
def test_up_resumes_scheduled_runs_after_killed_worker(
    stack: RunningStack, mirror: ScheduledMirror
) -> None:
    mirror.origin.fault("/worker-killed.tif", Stall(after=10, seconds=600), times=1)
    mirror.publish("worker-killed")
    wait_for(lambda: mirror.origin.gets("/worker-killed.tif"), "request of the run")
    worker, server = pid_of(stack, "worker-stac-asset"), pid_of(stack, "server")
    (running,) = mirror.flow_runs(stack.url, "RUNNING")
    orphans = [pid for pid in stack.processes() if pid not in (worker, server)]
    assert orphans
    kill(stack, worker)
    # Without an option, `up` uses the file of the first `up`.
    done = run_up(stack)
    assert done.returncode == 0, done.stderr
    assert f"deployments  of {stack.folder.parent / 'prefect.yaml'}\n" in done.stdout
    assert f"run '{running['name']}' was set to Crashed: its worker was killed" in done.stdout
    wait_for(lambda: not set(orphans) & set(stack.processes()), "end of the runs of the worker")
    assert pid_of(stack, "server") == server
    assert pid_of(stack, "worker-stac-asset") != worker
    found = call_api("GET", f"{stack.url}/api/flow_runs/{running['id']}")
    assert found["state"]["type"] == "CRASHED"
    assert found["state"]["message"] == "The worker was killed."
    count = len(mirror.flow_runs(stack.url, "COMPLETED"))
    mirror.wait_for_file("worker-killed")
    mirror.wait_for_completed_runs(stack.url, count + 1)


def test_runs_stay_active_while_another_worker_of_the_pool_is_online(stack: RunningStack) -> None:
    api, workers = f"{stack.url}/api", f"{stack.url}/api/work_pools/stac-asset/workers"
    call_api("POST", f"{workers}/heartbeat", name="other", heartbeat_interval_seconds=30)
    flow = call_api("POST", f"{api}/flows/", name="sync")
    running = {"type": "RUNNING", "name": "Running"}
    run = call_api(
        "POST", f"{api}/flow_runs/", flow_id=flow["id"], state=running, work_pool_name="stac-asset"
    )
    with temporary_settings({PREFECT_API_URL: api}):
        assert asyncio.run(end_orphaned_runs("stac-asset")) == []
    path = f"{api}/flow_runs/{run['id']}"
    assert call_api("GET", path)["state"]["type"] == "RUNNING"
    call_api("DELETE", path)
    call_api("DELETE", f"{workers}/other")


@pytest.mark.usefixtures("scheduled")
def test_up_resumes_scheduled_runs_after_killed_server(
    stack: RunningStack, mirror: ScheduledMirror
) -> None:
    for log in stack.logs.values():
        log.expect_errors(*SERVER_KILLED_ERRORS)
    worker = pid_of(stack, "worker-stac-asset")
    count = len(mirror.wait_for_completed_runs(stack.url))
    kill(stack, pid_of(stack, "server"))
    done = run_up(stack, "--file", str(stack.folder.parent / "prefect.yaml"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("starting     a server")
    assert pid_of(stack, "worker-stac-asset") == worker
    mirror.publish("server-killed")
    mirror.wait_for_file("server-killed")
    mirror.wait_for_completed_runs(stack.url, count + 1)


@pytest.mark.usefixtures("scheduled")
def test_up_starts_everything_after_a_kill_although_server_refuses_a_deployment(
    stack: RunningStack, mirror: ScheduledMirror, tmp_path: Path
) -> None:
    for log in stack.logs.values():
        log.expect_errors(*SERVER_KILLED_ERRORS)
    count = len(mirror.wait_for_completed_runs(stack.url))
    mirror.origin.fault("/all-killed.tif", Stall(after=10, seconds=600), times=1)
    mirror.publish("all-killed")
    wait_for(lambda: mirror.origin.gets("/all-killed.tif"), "request of the run")
    kill(stack, *stack.processes())
    document = json.loads((stack.folder.parent / "prefect.yaml").read_text())
    (listed,) = document["deployments"]
    pool = {"name": "stac-asset", "job_variables": {"stream_output": "never"}}
    wrong = {**listed, "name": "wrong", "schedules": [], "work_pool": pool}
    file = tmp_path / "prefect.yaml"
    file.write_text(json.dumps({**document, "deployments": [wrong, listed]}))
    done = run_up(stack, "--file", str(file))
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("error: Prefect refused deployment 'wrong': ")
    assert " was set to Crashed: its worker was killed" in done.stdout
    assert "deployment   sync/interval\n" in done.stdout
    assert "worker       of pool stac-asset, log in " in done.stdout
    assert done.stdout.endswith(" creates scheduled runs\n")
    mirror.wait_for_file("all-killed")
    mirror.wait_for_completed_runs(stack.url, count + 1)


def test_served_deployment_runs_on_schedule(
    stack: RunningStack, mirror: ScheduledMirror, origin: Origin, tmp_path: Path
) -> None:
    mirror.pause(stack.url)
    served = ScheduledMirror("served", origin, tmp_path / "mirror")
    served.publish("first")
    file = served.write(tmp_path / "prefect.yaml", INTERVAL)
    log = tmp_path / "serve.log"
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    with checked_log(log, *SERVE_INTERRUPTED_ERRORS), log.open("wb") as output:
        serving = subprocess.Popen(
            [sys.executable, "-m", "prefect_stac_asset.deployments", "serve", "--file", str(file)],
            cwd=tmp_path,
            env={
                **os.environ,
                **server,
                "PYTHONPATH": import_path(),
                "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            served.wait_for_file("first")
            served.wait_for_completed_runs(stack.url)
            served.publish("second")
            served.wait_for_file("second")
            served.wait_for_completed_runs(stack.url, 2)
            served.pause(stack.url)
            serving.send_signal(signal.SIGINT)  # As for Ctrl-C.
            assert serving.wait(120) == 0
        finally:
            serving.kill()
            serving.wait(60)
