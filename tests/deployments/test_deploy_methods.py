"""Flows deployed with each method of Prefect's documentation, and run by a worker."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import load_flow_from_entrypoint
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset import flows
from prefect_stac_asset.flows import VerifyResult
from tests.support.paths import ROOT
from tests.support.prefect_environment import PREPARED_PYTHON, prefect_environment
from tests.support.remote_runs import (
    FLOWS,
    flow_parameters,
    flow_wrote_files,
    run_registered_deployment,
    write_sources,
)
from tests.support.workers import wait_for_pool

pytestmark = pytest.mark.usefixtures("prefect_test")

DEPLOY = """
import sys
from pathlib import Path

from prefect import flow
from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.docker import DockerImage

from prefect_stac_asset import flows
from prefect_stac_asset.deployments.pools import POOL_TYPES

pool, checkout, user_folder, *names = sys.argv[1:]
options = {"work_pool_name": pool, "print_next_steps": False, "ignore_warnings": True}
for name in names:
    getattr(flows, name).deploy("deploy", **options)
with get_client(sync_client=True) as client:
    template = POOL_TYPES["docker"].base_job_template({"image": "unused"})
    images = WorkPoolCreate(name=f"{pool}-images", type="docker", base_job_template=template)
    client.create_work_pool(images)
image = DockerImage(
    "registry.example.com/stac", tag="1", dockerfile=f"{checkout}/Dockerfile", path=checkout
)
for name in names:
    build = Path("/var/run/docker.sock").exists() and name == names[0]
    getattr(flows, name).deploy(
        "image", image=image, build=build, push=False, **{**options, "work_pool_name": images.name}
    )
for name in names:
    file = getattr(flows, name).fn.__module__.replace(".", "/") + ".py"
    flow.from_source(checkout, f"{file}:{name}").deploy("source-file", **options)
for name in names:
    flow.from_source(user_folder, f"user_flows.py:{name}").deploy("user-file", **options)
flow.from_source(user_folder, "user_flows.py:changed").deploy("user-file", **options)
commands = [
    ["deploy", "--all"],
    ["deploy", "user_flows.py:user_flow", "-n", "command", "-p", pool],
    ["sdk", "generate", "--output", "sdk.py"],
]
for command in commands:
    sys.argv = ["prefect", "--no-prompt", *command]
    try:
        app()
    except SystemExit as ended:
        assert not ended.code, command
"""

USER_FLOWS = f"""
from pathlib import Path

from prefect import flow

from prefect_stac_asset import flows
from prefect_stac_asset.flows import {", ".join(FLOWS)}

@flow
async def user_flow(source: str, directory: str):
    await flows.download_item.with_options(retries=1)(source, directory)

def touch_file(flow, run, state):
    Path(run.parameters["directory"], "completed").touch()

changed = flows.download_item.with_options(name="changed", on_completion=[touch_file])
"""

EXECUTED_FLOWS = {
    "deploy": ("download_collection", "check_assets"),
    "source-file": FLOWS,
    "user-file": ("download_collection",),
    "prefect-yaml": ("download_item_collection",),
}
"""Flows that are executed, by deployment method. All flows are deployed with each method.

Each flow is executed by the path of its file, and by the path of its module here, in
`test_serving.py` or in `test_schedules.py`.
"""


def deploy_with_each_method(folder: Path, pool: str) -> None:
    """Deploy each flow with each method, and the user flow that calls `download_item`.

    The image is built where Docker runs.
    """
    (folder / "deploy.py").write_text(DEPLOY)
    (folder / "user_flows.py").write_text(USER_FLOWS)
    listed = [
        {
            "name": "prefect-yaml",
            "entrypoint": f"{getattr(flows, name).fn.__module__}.{name}",
            "work_pool": {"name": pool},
        }
        for name in FLOWS
    ]
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"name": "x", "deployments": listed}))
    done = subprocess.run(
        [*PREPARED_PYTHON, "deploy.py", pool, str(ROOT), str(folder), *FLOWS],
        cwd=folder,
        env=prefect_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


Runs = dict[str, tuple[Path, FlowRun]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(pool: str, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Output directory and finished flow run of each deployment."""
    folder = tmp_path_factory.mktemp("deploying")
    sources = write_sources(folder)
    await wait_for_pool(pool)
    await asyncio.to_thread(deploy_with_each_method, folder, pool)
    names = {
        f"{getattr(flows, name).name}/{method}": name
        for method, executed in EXECUTED_FLOWS.items()
        for name in executed
    }
    names["user-flow/command"] = names["changed/user-file"] = "download_item"

    async def run_one(deployment: str, name: str) -> tuple[Path, FlowRun]:
        out = folder / deployment.replace("/", "-")
        return out, await run_registered_deployment(deployment, flow_parameters(name, sources, out))

    ended = await asyncio.gather(*(run_one(*each) for each in names.items()))
    return dict(zip(names, ended, strict=True))


@pytest.mark.parametrize("method", EXECUTED_FLOWS)
async def test_deployed_flows_complete(runs: Runs, method: str) -> None:
    for name in EXECUTED_FLOWS[method]:
        out, run = runs[f"{getattr(flows, name).name}/{method}"]
        assert run.state is not None
        assert run.state.is_completed(), (name, run.state)
        assert flow_wrote_files(name, out)


async def test_user_flow_deployed_by_command_completes(runs: Runs) -> None:
    out, run = runs["user-flow/command"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert flow_wrote_files("download_item", out)


async def test_flow_with_options_from_user_file_keeps_its_options(runs: Runs) -> None:
    out, run = runs["changed/user-file"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert flow_wrote_files("download_item", out)
    assert (out / "completed").exists()


@pytest.mark.parametrize("name", FLOWS)
async def test_result_of_flow_deployed_by_source_file_loads(runs: Runs, name: str) -> None:
    out, run = runs[f"{getattr(flows, name).name}/source-file"]
    assert run.state is not None
    result: Any = await run.state.aresult()
    assert type(result).__module__.startswith("prefect_stac_asset.flows.")
    assert isinstance(result, getattr(flows, type(result).__name__))
    if name == "verify":
        assert isinstance(result, VerifyResult)
        assert result.directory == str(out)


@pytest.mark.parametrize("name", FLOWS)
async def test_server_stores_given_entrypoint(runs: Runs, name: str) -> None:
    flow = getattr(flows, name)
    module = flow.fn.__module__
    expected = {
        "deploy": f"{module}.{name}",
        "source-file": f"{module.replace('.', '/')}.py:{name}",
        "user-file": f"user_flows.py:{name}",
        "prefect-yaml": f"{module}.{name}",
        "image": f"{module}.{name}",
    }
    async with get_client() as client:
        for method, entrypoint in expected.items():
            found = await client.read_deployment_by_name(f"{flow.name}/{method}")
            assert found.entrypoint == entrypoint
            image = "registry.example.com/stac:1" if method == "image" else None
            assert found.job_variables.get("image") == image


def test_generated_sdk_runs_deployments_with_their_parameters(runs: Runs) -> None:
    folder = runs["user-flow/command"][0].parent
    spec = importlib.util.spec_from_file_location("sdk", folder / "sdk.py")
    assert spec is not None
    assert spec.loader is not None
    sdk = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sdk)
    for name in FLOWS:
        flow = getattr(flows, name)
        deployment = sdk.deployments.from_name(f"{flow.name}/image")
        parameters = set(inspect.signature(deployment.run).parameters)
        assert parameters == set(flow.parameters.properties)
        assert {"image", "volumes"} <= set(inspect.signature(deployment.with_infra).parameters)


@pytest.mark.parametrize("name", FLOWS)
async def test_deployment_entrypoint_is_module_path_by_default(name: str) -> None:
    original = getattr(flows, name)
    for flow in (original, original.with_options(name="another")):
        made = [
            await asyncio.to_thread(flow.to_deployment, "x"),
            await flow.to_deployment("x"),
            await flow.ato_deployment("x"),
        ]
        for deployment in made:
            assert deployment.entrypoint == f"{flow.fn.__module__}.{name}"
            assert deployment.entrypoint_type == EntrypointType.MODULE_PATH
            assert deployment.flow_name == flow.name


@pytest.mark.parametrize("name", FLOWS)
async def test_deployment_has_given_entrypoint_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = getattr(flows, name)
    monkeypatch.chdir(ROOT)
    path = f"{flow.fn.__module__.replace('.', '/')}.py:{name}"
    options = {"entrypoint_type": EntrypointType.FILE_PATH}
    assert (await flow.ato_deployment("x", **options)).entrypoint == path
    assert (await asyncio.to_thread(flow.to_deployment, "x", **options)).entrypoint == path
    module = RunnerDeployment.from_flow(flow, "x", entrypoint_type=EntrypointType.MODULE_PATH)
    assert module.entrypoint == f"{flow.fn.__module__}.{name}"


async def test_runner_stores_given_entrypoint_type(prefect_server: None) -> None:
    runner = Runner(name="runner")
    given = await runner.aadd_flow(
        flows.verify, name="given", entrypoint_type=EntrypointType.MODULE_PATH
    )
    async with get_client() as client:
        assert (
            await client.read_deployment(given)
        ).entrypoint == "prefect_stac_asset.flows.verification.flow.verify"


def test_flow_loaded_by_path_keeps_path_entrypoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user_flows.py").write_text(
        "from prefect_stac_asset.flows.execution.flow import asset_flow\n"
        "@asset_flow()\n"
        "def user_flow(credentials: None = None) -> None: ...\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    loaded = load_flow_from_entrypoint("user_flows.py:user_flow")
    assert loaded.to_deployment("x").entrypoint == "user_flows.py:user_flow"  # type: ignore[union-attr]
