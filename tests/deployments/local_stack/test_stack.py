"""`make up` and `make down` with a real PostgreSQL. All tests share a server, in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from stac_asset.testing import Origin, Stall
from tests.support.alert_runs import assert_alerts_are_sent
from tests.support.automation_runs import (
    assert_flow_runs_for_each_item,
    assert_person_is_notified_of_failure,
)
from tests.support.deployments_cli import run_deployments_cli
from tests.support.http_client import CLIENT
from tests.support.items import make_item
from tests.support.paths import ROOT
from tests.support.postgres import PASSWORD, find_postgres_programs, running_postgres
from tests.support.prefect_environment import import_path
from tests.support.processes import block_until
from tests.support.scheduled_mirror import EVERY_TEN_SECONDS, ScheduledMirror
from tests.support.server_logs import cancelled_run_errors, checked_log, unexpected_errors
from tests.support.stacks import (
    SHORT_POLLING,
    RunningStack,
    create_run,
    delete_deployment,
    post,
    read_deployment,
    running_stack,
    wait_for_end,
)

DOWNLOAD_ITEM = "download-item/download-item"
COLLECTION = "download-item-collection"


LATE_NOTIFICATION = r"Failed in consume_loop.*notifications\.py.*ConnectError"
"""Log entry of a server that sends a notification of an automation after the end of the test."""

DELETED_AUTOMATION = r"Failed in consume_loop.*triggers\.py.*fk_automation_bucket__automation_id"
"""Log entry of a server that evaluates an event for an automation that a test just deleted."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    with running_postgres(find_postgres_programs()) as url:
        yield url


@pytest.fixture(scope="module")
def stack(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("stack") / "up"
    expected = LATE_NOTIFICATION, DELETED_AUTOMATION
    with running_stack(folder, *expected, DATABASE=database, **SHORT_POLLING) as running:
        yield running


def test_up_prints_each_step(stack: RunningStack) -> None:
    assert stack.printed.startswith("starting     a server, which may take a minute\n")
    assert f"server       {stack.url}, log in {stack.folder}/server.log" in stack.printed
    assert "http-credentials" in stack.printed
    assert f"work pool    stac-asset, working directory {stack.folder}/data" in (stack.printed)
    for name in (DOWNLOAD_ITEM, "download-item-collection/download-item-collection", "sync/sync"):
        assert f"deployment   {name}\n" in stack.printed
    assert f"export PREFECT_API_URL={stack.url}/api\nOpen {stack.url}" in stack.printed


def test_make_targets_run_commands() -> None:
    file = " --file 'mine.yaml'"
    deployments = "prefect_stac_asset.deployments"
    commands = {
        "up": f"{deployments} up{file}",
        "service": f"{deployments} service{file}",
        "init": f"prefect_stac_asset init --file-only{file}",
        "down": f"{deployments} down",
        "status": f"{deployments} status",
    }
    for target, arguments in commands.items():
        make = ["make", "-n", target, "FILE=mine.yaml"]
        done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
        command = f".venv/bin/python -m {arguments}"
        assert done.stdout.splitlines()[-1].rstrip() == command


def test_database_is_postgresql_and_password_is_not_written(stack: RunningStack) -> None:
    assert not list(stack.folder.rglob("*.db"))
    assert post(stack, "/deployments/count") == 8
    note = json.loads((stack.folder / "stack.json").read_text())
    assert note["database"].startswith("postgresql+asyncpg://postgres:***@127.0.0.1:")
    assert PASSWORD not in stack.printed
    for file in stack.folder.glob("*"):
        assert file.is_dir() or PASSWORD not in file.read_text(), file


def test_server_settings_disable_telemetry(stack: RunningStack) -> None:
    settings = CLIENT.get(f"{stack.url}/api/admin/settings").json()["server"]
    assert settings["analytics_enabled"] is False
    assert settings["ui"]["show_promotional_content"] is False
    assert settings["ui"]["api_url"] == f"{stack.url}/api"


def test_concurrency_leases_are_stored_in_files(stack: RunningStack) -> None:
    """With leases in memory, the slots of running runs would never be released."""
    settings = CLIENT.get(f"{stack.url}/api/admin/settings").json()["server"]
    assert settings["concurrency"]["lease_storage"].endswith(".filesystem")


def test_deployment_run_completes(stack: RunningStack, origin: Origin) -> None:
    href = make_item(origin, "a", "b")
    parameters = ("-p", f"source={href}", "-p", "directory=mine")
    done = stack.prefect("deployment", "run", DOWNLOAD_ITEM, *parameters, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    # A relative directory is in the working directory of the work pool.
    assert (stack.folder / "data" / "mine" / "the-item.json").is_file()
    assert (stack.folder / "data" / "mine" / "a.tif").read_bytes() == origin.content("/a.tif")


def test_status_shows_processes_next_runs_and_last_results(stack: RunningStack) -> None:
    done = run_deployments_cli("status", "--folder", str(stack.folder))
    assert done.returncode == 0, done.stderr
    server, worker, *_ = lines = done.stdout.splitlines()
    assert server.startswith(f"server       {stack.url}, running since 20")
    assert worker.startswith("worker       of pool stac-asset, running since 20")
    assert worker.endswith(f", log in {stack.folder}/worker-stac-asset.log")
    assert "next run     none: no schedule is active" in lines
    assert "last result  sync/sync: no run has ended" in lines
    (last,) = [line for line in lines if line.startswith(f"last result  {DOWNLOAD_ITEM}: ")]
    assert re.search(r": Completed at 20[-0-9: ]+: 2 of 2 assets downloaded$", last), last


def test_second_up_starts_no_processes(stack: RunningStack, database: str | None) -> None:
    for _ in range(600):  # The process of a completed run may still be running.
        before = sorted(stack.processes())
        if len(before) == 2:
            break
        time.sleep(0.5)
    assert len(before) == 2
    arguments = ("up", "--folder", str(stack.folder), "--port")
    same = run_deployments_cli(*arguments, str(stack.port), DATABASE=database or "")
    assert same.returncode == 0, same.stderr
    assert same.stdout.startswith("server       http://")
    assert sorted(stack.processes()) == before
    other = run_deployments_cli(*arguments, str(stack.port + 1))
    assert other.returncode == 1
    assert other.stderr.startswith(f"error: A server is already running on port {stack.port} with ")
    assert PASSWORD not in other.stderr
    assert sorted(stack.processes()) == before


def comparable(deployment: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment without ids, times and versions."""
    schedules = [
        {
            name: value
            for name, value in schedule.items()
            if name not in ("id", "created", "updated")
        }
        for schedule in deployment["schedules"]
    ]
    changing = (
        "updated",
        "last_polled",
        "status",  # Of the last poll, which a busy machine delays.
        "version_id",
        "version_info",
        "pull_steps",
    )
    kept = {name: value for name, value in deployment.items() if name not in changing}
    schema = dict(kept["parameter_openapi_schema"])
    for name in ("additionalProperties", "patternProperties"):  # Unknown to `prefect deploy`.
        schema.pop(name, None)
    kept["parameter_openapi_schema"] = schema
    return kept | {"schedules": sorted(schedules, key=lambda schedule: str(schedule["slug"]))}


def test_prefect_deploy_and_up_register_equal_deployments(stack: RunningStack) -> None:
    names = ("sync", "verify")
    by_up = {name: read_deployment(stack, f"{name}/{name}") for name in names}
    done = stack.prefect("deploy", *(f"--name={name}" for name in names))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        by_prefect = read_deployment(stack, f"{name}/{name}")
        assert by_prefect["updated"] != by_up[name]["updated"]
        assert comparable(by_prefect) == comparable(by_up[name])
        assert by_up[name]["entrypoint"] == f"prefect_stac_asset.flows.{name}"
        assert not by_up[name]["pull_steps"]
        assert not by_prefect["pull_steps"]
        assert by_up[name]["path"] is None
        assert by_up[name]["global_concurrency_limit"]["limit"] == 1
        assert by_up[name]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        assert by_up[name]["schedules"]
        assert not any(schedule["active"] for schedule in by_up[name]["schedules"])


def write_single_deployment(folder: Path, text: str, name: str, new_name: str) -> Path:
    """Write a `prefect.yaml` with a single deployment of a text, under a new name."""
    document = yaml.safe_load(text)
    (listed,) = [one for one in document["deployments"] if one["name"] == name]
    file = folder / "prefect.yaml"
    file.write_text(json.dumps({**document, "deployments": [{**listed, "name": new_name}]}))
    return file


def test_scheduled_deployment_uses_saved_credentials(
    stack: RunningStack, origin: Origin, tmp_path: Path
) -> None:
    text = (ROOT / "prefect.yaml").read_text()
    text = text.replace("# credentials: *earthdata", "credentials: *earthdata")
    text = text.replace("earthdata-credentials/mine", "http-credentials/mine")
    # A new name, so that the server does not have the deployment.
    file = write_single_deployment(tmp_path, text, "sync", "new-sync")
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path)}
    done = run_deployments_cli("deploy", "--file", str(file), **server)
    assert done.returncode == 1
    assert "Deployment 'sync/new-sync' is not registered, because parameter `cred" in done.stderr
    stack.save_block("http-credentials", "mine", hosts=[origin.url], token="s3same")
    done = run_deployments_cli("deploy", "--file", str(file), **server)
    assert done.returncode == 0, done.stderr
    origin.require("Authorization", "Bearer s3same")
    source = origin.put("/items.json", b'{"type": "FeatureCollection", "features": []}')
    mirror = {"source": source, "search": {}, "directory": str(tmp_path / "mirror")}
    accepted = create_run(stack, "sync/new-sync", **mirror)
    assert accepted.is_success, accepted.text
    run = wait_for_end(stack, accepted.json()["id"])
    assert run["state"]["type"] == "COMPLETED", run["state"]
    kept = json.dumps([run, read_deployment(stack, "sync/new-sync")])
    assert kept.count('{"$ref": {"block_document_slug": "http-credentials/mine"}}') == 2
    assert "s3same" not in kept
    delete_deployment(stack, read_deployment(stack, "sync/new-sync")["id"])


def test_cron_schedule_starts_runs_on_postgresql(
    stack: RunningStack, origin: Origin, tmp_path: Path
) -> None:
    mirror = ScheduledMirror("cron", origin, tmp_path / "mirror")
    mirror.publish("first")
    file = mirror.write(tmp_path / "prefect.yaml", EVERY_TEN_SECONDS)
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    done = run_deployments_cli("deploy", "--file", str(file), **server)
    assert done.returncode == 0, done.stderr
    mirror.wait_for_file("first")
    mirror.wait_for_completed_runs(stack.url)
    mirror.pause(stack.url)
    delete_deployment(stack, read_deployment(stack, "sync/cron")["id"])


def test_container_command_runs_the_flow(
    stack: RunningStack, origin: Origin, tmp_path: Path
) -> None:
    """Everything except the container: work pool, job variables and command."""
    views = CLIENT.get(f"{stack.url}/api/collections/views/aggregate-worker-metadata")
    template = views.json()["prefect-docker"]["docker"]["default_base_job_configuration"]
    pool = {"name": "stac-asset-containers", "type": "docker", "base_job_template": template}
    text = (ROOT / "prefect.yaml").read_text()
    text = text.replace("work_pool: *processes", "work_pool: *containers", 1)
    file = write_single_deployment(tmp_path, text, "download-item", "in-container")
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    missing_pool = run_deployments_cli("deploy", "--file", str(file), **server)
    assert missing_pool.stderr.startswith(
        "error: Work pool 'stac-asset-containers' does not exist. "
    )
    post(stack, "/work_pools/", **pool)
    done = run_deployments_cli("deploy", "--file", str(file), **server)
    assert done.returncode == 0, done.stderr
    job = read_deployment(stack, "download-item/in-container")["job_variables"]
    assert job.keys() <= template["variables"]["properties"].keys()
    assert job["volumes"] == ["/srv/stac:/srv/stac"]

    data = tmp_path / "data"
    parameters = {"source": make_item(origin, "a"), "directory": str(data)}
    started = create_run(stack, "download-item/in-container", **parameters)
    assert started.is_success, started.text
    run_id = started.json()["id"]
    command = template["job_configuration"]["command"]
    assert command == "{{ command }}"  # Empty: Prefect runs its own command.
    execute = [sys.executable, "-m", "prefect", "flow-run", "execute", run_id]
    environment = {**os.environ, **server, "PYTHONPATH": import_path()}
    executed = subprocess.run(
        execute, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert unexpected_errors(f"{executed.stdout}\n{executed.stderr}") == []
    assert wait_for_end(stack, run_id)["state"]["type"] == "COMPLETED"
    assert (data / "the-item.json").is_file()


def test_automation_runs_flow_for_each_item_of_collection(
    stack: RunningStack, origin: Origin, tmp_path: Path
) -> None:
    assert_flow_runs_for_each_item(stack, origin, tmp_path)


def test_automation_notifies_person_of_failed_run(stack: RunningStack, origin: Origin) -> None:
    assert_person_is_notified_of_failure(stack, origin)


async def test_alerts_of_a_deployment_are_sent_only_if_something_is_wrong(
    stack: RunningStack, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The times of the alerts are shorter than the interval of reports in production.
    monkeypatch.setattr("prefect_stac_asset.deployments.alerts.INTERVAL", 5.0)
    await assert_alerts_are_sent(stack, origin, tmp_path)


def test_served_deployments_run_without_worker(
    stack: RunningStack, origin: Origin, tmp_path: Path
) -> None:
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    environment = {**os.environ, **server, "PYTHONPATH": import_path()}
    short_polling = {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    # `serve` does not detach an existing deployment from its work pool.
    for listed in post(stack, "/deployments/filter"):
        delete_deployment(stack, listed["id"])
    (folder := tmp_path / "served").mkdir()
    with checked_log(tmp_path / "log") as log:
        with log.path.open("wb") as output:
            serving = subprocess.Popen(
                [sys.executable, "-m", "prefect_stac_asset.deployments", "serve"],
                cwd=folder,
                env=environment | short_polling,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            for _ in range(600):
                assert serving.poll() is None, log.path.read_text()
                if post(stack, "/deployments/count") == len(read_deployments()):
                    break
                time.sleep(0.5)
            assert read_deployment(stack, DOWNLOAD_ITEM)["work_pool_name"] is None
            started = create_run(
                stack, DOWNLOAD_ITEM, source=make_item(origin, "a"), directory="relative"
            )
            run = wait_for_end(stack, started.json()["id"])
            assert run["state"]["type"] == "COMPLETED", run["state"]
            assert (folder / "relative" / "the-item.json").is_file()
            serving.send_signal(signal.SIGINT)  # As for Ctrl-C.
            assert serving.wait(120) == 0
        finally:
            serving.kill()
            serving.wait(60)
            # The next test needs the deployment of a worker.
            text = (ROOT / "prefect.yaml").read_text()
            stack.deploy(write_single_deployment(tmp_path, text, "download-item", "download-item"))


def test_down_cancels_runs_and_stops_all_processes(stack: RunningStack, origin: Origin) -> None:
    href = make_item(origin, "a")
    origin.fault("/a.tif", Stall(after=10, seconds=600), times=0)
    accepted = create_run(stack, DOWNLOAD_ITEM, source=href, directory="stalled")
    assert accepted.is_success, accepted.text
    for _ in range(600):
        if origin.gets("/a.tif"):
            break
        time.sleep(0.5)
    assert len(stack.processes()) > 2
    stack.logs["worker-stac-asset.log"].expect_errors(
        *cancelled_run_errors("download item.json to stalled", "the-item/a")
    )
    flow = post(stack, "/flows/", name="sync")
    running = {"type": "RUNNING", "name": "Running"}
    post(stack, "/flow_runs/", flow_id=flow["id"], name="of a dead process", state=running)
    done = run_deployments_cli("down", "--folder", str(stack.folder))
    assert done.returncode == 0, done.stderr
    assert "run 'of a dead process' was set to Cancelled: its process had stopped" in done.stdout
    assert re.search(r"run '.* to stalled' was cancelled", done.stdout), done.stdout
    assert "worker-stac-asset was stopped" in done.stdout
    assert "server was stopped" in done.stdout
    # A process that is a fork ends shortly before the process that waits for the fork.
    block_until(lambda: stack.processes() == [], seconds=60)
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", stack.port)) != 0
    second = run_deployments_cli("down", "--folder", str(stack.folder))
    assert second.stdout == "Nothing is running.\n"
    status = run_deployments_cli("status", "--folder", str(stack.folder))
    assert status.returncode == 1
    assert status.stdout.startswith(f"server       {stack.url}, stopped, log in ")
