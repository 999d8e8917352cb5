"""`make up` and `make down` with a real PostgreSQL, in the order in which a person uses them."""

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

import httpx
import pytest

from stac_asset.testing import Origin, Stall
from tests.deployments.postgres import PASSWORD, programs, running_postgres
from tests.deployments.stacks import ROOT, Running, deployments, running_stack
from tests.make_item import item_document, make_item
from tests.server_logs import cancelled_run, checked_log, troubles

RUN = "download-item/download-item"
COLLECTION = "download-item-collection"
QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "1"}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a PostgreSQL."""
    with running_postgres(programs()) as url:
        yield url


@pytest.fixture(scope="module")
def stack(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stack") / "up"
    with running_stack(folder, DATABASE=database, **QUICK) as running:
        yield running


def ask(stack: Running, path: str, **body: Any) -> Any:
    """Returns what the server answers to a question."""
    response = httpx.post(f"{stack.url}/api{path}", json=body, timeout=60)
    assert response.is_success, response.text
    return response.json()


def read_deployment(stack: Running, name: str) -> dict[str, Any]:
    response = httpx.get(f"{stack.url}/api/deployments/name/{name}", timeout=60)
    assert response.is_success, response.text
    found: dict[str, Any] = response.json()
    return found


def start(stack: Running, name: str, **parameters: Any) -> httpx.Response:
    """Asks for a run of a deployment, and returns the answer."""
    path = f"/api/deployments/{read_deployment(stack, name)['id']}/create_flow_run"
    return httpx.post(f"{stack.url}{path}", json={"parameters": parameters}, timeout=60)


def ended(stack: Running, run_id: str) -> dict[str, Any]:
    """Returns a flow run when it has ended."""
    for _ in range(600):
        run: dict[str, Any] = httpx.get(f"{stack.url}/api/flow_runs/{run_id}", timeout=60).json()
        if run["state"]["type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            return run
        time.sleep(0.2)
    raise AssertionError(run["state"])


def test_up_says_what_it_did(stack: Running) -> None:
    assert stack.printed.startswith("starting     a server, which may take a minute\n")
    assert f"server       {stack.url}, log in {stack.folder}/server.log" in stack.printed
    assert "http-credentials" in stack.printed
    assert f"work pool    stac-asset, working directory {stack.folder}/data" in (stack.printed)
    for name in (RUN, "download-item-collection/download-item-collection", "sync/sync"):
        assert f"deployment   {name}\n" in stack.printed
    assert f"Open {stack.url}" in stack.printed


def test_makefile_runs_these_commands() -> None:
    for target in ("up", "down"):
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert (
            done.stdout.splitlines()[-1]
            == f".venv/bin/python -m prefect_stac_asset.deployments {target}"
        )


def test_data_are_in_postgres_and_its_password_is_nowhere(stack: Running) -> None:
    assert not list(stack.folder.rglob("*.db"))
    assert ask(stack, "/deployments/count") == 5
    note = json.loads((stack.folder / "stack.json").read_text())
    assert note["database"].startswith("postgresql+asyncpg://postgres:***@127.0.0.1:")
    assert PASSWORD not in stack.printed
    for file in stack.folder.glob("*"):
        assert file.is_dir() or PASSWORD not in file.read_text(), file


def test_server_calls_nobody(stack: Running) -> None:
    settings = httpx.get(f"{stack.url}/api/admin/settings", timeout=60).json()["server"]
    assert settings["analytics_enabled"] is False
    assert settings["ui"]["show_promotional_content"] is False
    assert settings["ui"]["api_url"] == f"{stack.url}/api"


def test_places_of_runs_outlive_a_server_that_is_killed(stack: Running) -> None:
    """Prefect's default forgets them with the server, and then nobody ever gives them back."""
    settings = httpx.get(f"{stack.url}/api/admin/settings", timeout=60).json()["server"]
    assert settings["concurrency"]["lease_storage"].endswith(".filesystem")


def test_run_of_a_deployment_completes(stack: Running, origin: Origin) -> None:
    href = make_item(origin, "a", "b")
    done = stack.prefect(
        "deployment", "run", RUN, "-p", f"source={href}", "-p", "directory=mine", "--watch"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A relative directory is where `up` said, and not where the worker happens to be.
    assert (stack.folder / "data" / "mine" / "the-item.json").is_file()
    assert (stack.folder / "data" / "mine" / "a.tif").read_bytes() == origin.content("/a.tif")


def test_second_up_starts_nothing_twice(stack: Running, database: str | None) -> None:
    for _ in range(600):  # The process of a run that has completed may be about to end.
        before = sorted(stack.processes())
        if len(before) == 2:
            break
        time.sleep(0.2)
    assert len(before) == 2
    arguments = ("up", "--folder", str(stack.folder), "--port")
    same = deployments(*arguments, str(stack.port), DATABASE=database or "")
    assert same.returncode == 0, same.stderr
    assert same.stdout.startswith("server       http://")
    assert sorted(stack.processes()) == before
    other = deployments(*arguments, str(stack.port + 1))
    assert other.returncode == 1
    assert other.stderr.startswith(f"error: A server is already running on port {stack.port} with ")
    assert PASSWORD not in other.stderr
    assert sorted(stack.processes()) == before


def settled(deployment: dict[str, Any]) -> dict[str, Any]:
    """Returns a deployment without what changes each time."""
    schedules = [
        {name: value for name, value in one.items() if name not in ("id", "created", "updated")}
        for one in deployment["schedules"]
    ]
    changing = ("updated", "last_polled", "version_id", "version_info", "pull_steps")
    kept = {name: value for name, value in deployment.items() if name not in changing}
    return kept | {"schedules": sorted(schedules, key=lambda one: str(one["slug"]))}


@pytest.mark.parametrize("name", ["sync", "verify"])
def test_prefect_deploy_reads_the_file_as_we_do(stack: Running, name: str) -> None:
    full = f"{name}/{name}"
    ours = read_deployment(stack, full)
    done = stack.prefect("deploy", "--name", name)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = read_deployment(stack, full)
    assert theirs["updated"] != ours["updated"]
    assert settled(theirs) == settled(ours)
    assert ours["entrypoint"] == f"prefect_stac_asset.flows.{name}"
    assert not ours["pull_steps"]
    assert not theirs["pull_steps"]
    assert ours["path"] is None
    assert ours["global_concurrency_limit"]["limit"] == 1
    assert ours["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert ours["schedules"]
    assert not any(one["active"] for one in ours["schedules"])


def test_credentials_by_reference(stack: Running, origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    text = (ROOT / "prefect.yaml").read_text()
    text = text.replace("# credentials: *earthdata", "credentials: *earthdata")
    text = text.replace("earthdata-credentials/mine", "http-credentials/mine")
    # The server has none of these yet.
    text = text.replace("  - name: ", "  - name: new-")
    assert not any(one["name"].startswith("new-") for one in ask(stack, "/deployments/filter"))
    file.write_text(text)
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path)}
    done = deployments("deploy", "--file", str(file), **server)
    assert done.returncode == 0, done.stderr
    origin.require("Authorization", "Bearer s3same")
    source = origin.put("/items.json", b'{"type": "FeatureCollection", "features": []}')
    mirror = {"source": source, "search": {}, "directory": str(tmp_path / "mirror")}
    # This is why no block is named where nobody has saved one.
    stack.logs["worker-stac-asset.log"].provoke(
        "prefect.engine - .*Validation of flow parameters failed with error: "
        "(ConfigError: )?Block 'http-credentials/mine' is not saved"
    )
    failed = ended(stack, start(stack, "sync/new-sync", **mirror).json()["id"])
    assert failed["state"]["type"] == "FAILED"
    assert "Block 'http-credentials/mine' is not saved" in failed["state"]["message"]
    save = (
        "from prefect_stac_asset.blocks import HttpCredentials\n"
        f"HttpCredentials(hosts=['{origin.url}'], token='s3same').save('mine')"
    )
    saved = subprocess.run(
        [sys.executable, "-c", save],
        cwd=ROOT,
        env={**os.environ, **server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert saved.returncode == 0, saved.stderr
    accepted = start(stack, "sync/new-sync", **mirror)
    assert accepted.is_success, accepted.text
    run = ended(stack, accepted.json()["id"])
    assert run["state"]["type"] == "COMPLETED", run["state"]
    kept = json.dumps([run, read_deployment(stack, "sync/new-sync")])
    assert kept.count('{"$ref": {"block_document_slug": "http-credentials/mine"}}') == 2
    assert "s3same" not in kept
    for one in ask(stack, "/deployments/filter"):
        if one["name"].startswith("new-"):
            assert httpx.delete(f"{stack.url}/api/deployments/{one['id']}", timeout=60).is_success


def test_run_in_a_container_finds_its_flow(stack: Running, origin: Origin, tmp_path: Path) -> None:
    """All of it but the container: its pool, its job variables, and the command that it runs."""
    views = httpx.get(f"{stack.url}/api/collections/views/aggregate-worker-metadata", timeout=60)
    template = views.json()["prefect-docker"]["docker"]["default_base_job_configuration"]
    pool = {"name": "stac-asset-containers", "type": "docker", "base_job_template": template}
    file = tmp_path / "prefect.yaml"
    text = (ROOT / "prefect.yaml").read_text()
    text = text.replace("work_pool: *processes", "work_pool: *containers", 1)
    file.write_text(text.replace("- name: download-item\n", "- name: contained\n", 1))
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    none = deployments("deploy", "--file", str(file), **server)
    assert none.stderr.startswith("error: Work pool 'stac-asset-containers' does not exist. ")
    ask(stack, "/work_pools/", **pool)
    done = deployments("deploy", "--file", str(file), **server)
    assert done.returncode == 0, done.stderr
    job = read_deployment(stack, "download-item/contained")["job_variables"]
    assert job.keys() <= template["variables"]["properties"].keys()
    assert job["volumes"] == ["/srv/stac:/srv/stac"]

    data = tmp_path / "data"
    parameters = {"source": make_item(origin, "a"), "directory": str(data)}
    started = start(stack, "download-item/contained", **parameters)
    assert started.is_success, started.text
    run_id = started.json()["id"]
    command = template["job_configuration"]["command"]
    assert command == "{{ command }}"  # empty, and so it is Prefect's own:
    execute = [sys.executable, "-m", "prefect", "flow-run", "execute", run_id]
    environment = {**os.environ, **server}
    executed = subprocess.run(
        execute, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert troubles(f"{executed.stdout}\n{executed.stderr}") == []
    assert ended(stack, run_id)["state"]["type"] == "COMPLETED"
    assert (data / "the-item.json").is_file()


def test_deployments_are_served_without_a_worker(
    stack: Running, origin: Origin, tmp_path: Path
) -> None:
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path / "home")}
    environment = {**os.environ, **server, "PYTHONPATH": str(ROOT)}
    quick = {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    # One that is registered for a work pool stays with it.
    for one in ask(stack, "/deployments/filter"):
        assert httpx.delete(f"{stack.url}/api/deployments/{one['id']}", timeout=60).is_success
    (folder := tmp_path / "served").mkdir()
    with checked_log(tmp_path / "log") as log:
        with log.path.open("wb") as output:
            serving = subprocess.Popen(
                [sys.executable, "-m", "prefect_stac_asset.deployments", "serve"],
                cwd=folder,
                env=environment | quick,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            for _ in range(600):
                assert serving.poll() is None, log.path.read_text()
                if len(ask(stack, "/deployments/filter")) == 5:
                    break
                time.sleep(0.2)
            assert read_deployment(stack, RUN)["work_pool_name"] is None
            started = start(stack, RUN, source=make_item(origin, "a"), directory="relative")
            run = ended(stack, started.json()["id"])
            assert run["state"]["type"] == "COMPLETED", run["state"]
            assert (folder / "relative" / "the-item.json").is_file()
            serving.send_signal(signal.SIGINT)  # As Ctrl-C does.
            assert serving.wait(120) == 0
        finally:
            serving.kill()
            serving.wait(60)
            assert deployments("deploy", **server).returncode == 0


def test_automation_runs_a_deployment_for_each_item(
    stack: Running, origin: Origin, tmp_path: Path
) -> None:
    flow = ask(stack, "/flows/", name="process")
    target = ask(stack, "/deployments/", name="on-item", flow_id=flow["id"])
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(tmp_path)}
    automate = ("automate", "process/on-item", "--collection", "mine")
    made, again = deployments(*automate, **server), deployments(*automate, **server)
    assert made.returncode == 0, made.stderr
    assert again.stdout == made.stdout  # its id: there is still one
    none = deployments("automate", "process/none", **server)
    assert none.stderr == (
        "error: Deployment 'process/none' does not exist. Set DEPLOYMENT to "
        "'flow name/deployment name'.\n"
    )
    names = ("one", "two", "other")
    documents = [item_document(origin, name, name=name) for name in names]
    for document, collection in zip(documents, ("mine", "mine", "not-mine"), strict=True):
        document["collection"] = collection
    items = {"type": "FeatureCollection", "features": documents}
    source = origin.put("/items.json", json.dumps(items).encode())
    # What looks for triggers learns of them by itself, and nobody knows when: so ask again, for
    # folders that are new, until one round has all of its runs.
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        started = start(
            stack, f"{COLLECTION}/{COLLECTION}", source=source, directory=str(folder)
        ).json()
        assert ended(stack, started["id"])["state"]["type"] == "COMPLETED"
        wanted = {(name, str(folder / name / f"{name}.tif")) for name in names[:2]}
        if wanted <= started_for(stack, target["id"], 2 * (attempt + 1)):
            break
    found = started_for(stack, target["id"], 0)
    assert wanted <= found
    assert "other" not in {name for name, _ in found}


def started_for(stack: Running, deployment_id: str, count: int) -> set[tuple[str, str]]:
    """Returns what runs of the deployment were asked for, when there are so many, or soon after."""
    only = {"deployments": {"id": {"any_": [deployment_id]}}}
    for _ in range(50):
        runs = ask(stack, "/flow_runs/filter", **only)
        if len(runs) >= count:
            break
        time.sleep(0.2)
    return {(run["parameters"]["item_id"], run["parameters"]["path"]) for run in runs}


def test_down_ends_what_is_at_work_and_leaves_nothing(stack: Running, origin: Origin) -> None:
    href = make_item(origin, "a")
    origin.fault("/a.tif", Stall(after=10, seconds=600), times=0)
    accepted = start(stack, RUN, source=href, directory="stalled")
    assert accepted.is_success, accepted.text
    for _ in range(600):
        if origin.gets("/a.tif"):
            break
        time.sleep(0.2)
    assert len(stack.processes()) > 2
    stack.logs["worker-stac-asset.log"].provoke(
        *cancelled_run("download item.json to stalled", "the-item/a")
    )
    done = deployments("down", "--folder", str(stack.folder))
    assert done.returncode == 0, done.stderr
    assert re.search(r"run '.* to stalled' was cancelled", done.stdout), done.stdout
    assert "worker-stac-asset was stopped" in done.stdout
    assert "server was stopped" in done.stdout
    assert stack.processes() == []
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", stack.port)) != 0
    assert deployments("down", "--folder", str(stack.folder)).stdout == "Nothing is running.\n"
