"""Flows that are deployed in each way of Prefect's documentation, and run by a worker."""

from __future__ import annotations

import asyncio
import os
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
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset import flows
from tests.flows.deploying import ROOT, existing
from tests.flows.elsewhere import FLOWS, flow_parameters, make_sources, run_of, wrote

DEPLOY = """
import sys

from prefect import flow

from prefect_stac_asset import flows

pool, checkout, own, *names = sys.argv[1:]
options = {"work_pool_name": pool, "print_next_steps": False, "ignore_warnings": True}
for name in names:
    getattr(flows, name).deploy("deploy", **options)
for name in names:
    file = getattr(flows, name).fn.__module__.replace(".", "/") + ".py"
    flow.from_source(checkout, f"{file}:{name}").deploy("our-file", **options)
for name in names:
    flow.from_source(own, f"own.py:{name}").deploy("own-file", **options)
flow.from_source(own, "own.py:changed").deploy("own-file", **options)
"""

OWN = f"""
from pathlib import Path

from prefect import flow

from prefect_stac_asset import flows
from prefect_stac_asset.flows import {", ".join(FLOWS)}

@flow
async def mine(source: str, directory: str):
    await flows.download_item.with_options(retries=1)(source, directory)

def note(flow, run, state):
    Path(run.parameters["directory"], "noted").touch()

changed = flows.download_item.with_options(name="changed", on_completion=[note])
"""

WAYS = ("deploy", "our-file", "own-file", "prefect-yaml")


def run(*command: str, folder: Path) -> str:
    """Runs Python with the settings of the test's server, and returns what it printed."""
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def deploy_in_each_way(folder: Path, pool: str) -> None:
    """Deploys each flow to a pool in each way, and a flow that calls one of them."""
    (folder / "deploy.py").write_text(DEPLOY)
    (folder / "own.py").write_text(OWN)
    run("deploy.py", pool, str(ROOT), str(folder), *FLOWS, folder=folder)
    listed = [
        {
            "name": "prefect-yaml",
            "entrypoint": f"{getattr(flows, name).fn.__module__}.{name}",
            "work_pool": {"name": pool},
        }
        for name in FLOWS
    ]
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"name": "x", "deployments": listed}))
    prefect = ("-m", "prefect", "--no-prompt", "deploy")
    run(*prefect, "--all", folder=folder)
    run(*prefect, "own.py:mine", "-n", "command", "-p", pool, folder=folder)


Runs = dict[str, tuple[Path, FlowRun]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(pool: str, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs of all deployments, and the directory of each."""
    folder = tmp_path_factory.mktemp("deploying")
    sources = make_sources(folder)
    await existing(pool)
    await asyncio.to_thread(deploy_in_each_way, folder, pool)
    names = {f"{getattr(flows, name).name}/{way}": name for name in FLOWS for way in WAYS}
    names["mine/command"] = names["changed/own-file"] = "download_item"

    async def one(deployment: str, name: str) -> tuple[Path, FlowRun]:
        out = folder / deployment.replace("/", "-")
        return out, await run_of(deployment, flow_parameters(name, sources, out))

    ended = await asyncio.gather(*(one(*each) for each in names.items()))
    return dict(zip(names, ended, strict=True))


@pytest.mark.parametrize("name", FLOWS)
async def test_deployed_flow_completes(runs: Runs, name: str) -> None:
    for way in WAYS:
        out, run = runs[f"{getattr(flows, name).name}/{way}"]
        assert run.state is not None
        assert run.state.is_completed(), (way, run.state)
        assert wrote(name, out)


async def test_flow_of_ones_own_deployed_by_the_command_completes(runs: Runs) -> None:
    out, run = runs["mine/command"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert wrote("download_item", out)


async def test_changed_copy_of_ones_own_file_keeps_its_options(runs: Runs) -> None:
    out, run = runs["changed/own-file"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert wrote("download_item", out)
    assert (out / "noted").exists()


@pytest.mark.parametrize("name", FLOWS)
async def test_result_of_a_flow_deployed_by_its_file_loads_here(runs: Runs, name: str) -> None:
    _, run = runs[f"{getattr(flows, name).name}/our-file"]
    assert run.state is not None
    result: Any = await run.state.aresult()
    assert type(result).__module__.startswith("prefect_stac_asset.flows.")
    assert isinstance(result, getattr(flows, type(result).__name__))


@pytest.mark.parametrize("name", FLOWS)
async def test_stored_entrypoint_is_the_module_or_the_path_that_was_given(
    runs: Runs, name: str
) -> None:
    what = getattr(flows, name)
    module = what.fn.__module__
    expected = {
        "deploy": f"{module}.{name}",
        "our-file": f"{module.replace('.', '/')}.py:{name}",
        "own-file": f"own.py:{name}",
        "prefect-yaml": f"{module}.{name}",
    }
    async with get_client() as client:
        for way, entrypoint in expected.items():
            found = await client.read_deployment_by_name(f"{what.name}/{way}")
            assert found.entrypoint == entrypoint


@pytest.mark.parametrize("name", FLOWS)
async def test_deployments_of_a_flow_have_its_module_path(name: str) -> None:
    original = getattr(flows, name)
    for what in (original, original.with_options(name="another")):
        made = [
            await asyncio.to_thread(what.to_deployment, "x"),
            await what.to_deployment("x"),
            await what.ato_deployment("x"),
        ]
        assert [one.entrypoint for one in made] == [f"{what.fn.__module__}.{name}"] * 3
        assert [one.entrypoint_type for one in made] == [EntrypointType.MODULE_PATH] * 3
        assert {one.flow_name for one in made} == {what.name}


@pytest.mark.parametrize("name", FLOWS)
async def test_entrypoint_type_that_is_given_holds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = getattr(flows, name)
    monkeypatch.chdir(ROOT)
    path = f"{what.fn.__module__.replace('.', '/')}.py:{name}"
    options = {"entrypoint_type": EntrypointType.FILE_PATH}
    assert (await what.ato_deployment("x", **options)).entrypoint == path
    assert (await asyncio.to_thread(what.to_deployment, "x", **options)).entrypoint == path
    module = RunnerDeployment.from_flow(what, "x", entrypoint_type=EntrypointType.MODULE_PATH)
    assert module.entrypoint == f"{what.fn.__module__}.{name}"


async def test_runner_stores_the_entrypoint_type_that_is_given(prefect_server: None) -> None:
    runner = Runner(name="runner")
    given = await runner.aadd_flow(
        flows.verify, name="given", entrypoint_type=EntrypointType.MODULE_PATH
    )
    async with get_client() as client:
        assert (
            await client.read_deployment(given)
        ).entrypoint == "prefect_stac_asset.flows.verification.flow.verify"


def test_flow_loaded_by_path_keeps_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from prefect_stac_asset.flows.parameters.flow import asset_flow\n"
        "@asset_flow()\n"
        "def mine(credentials: None = None) -> None: ...\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    loaded = load_flow_from_entrypoint("mine.py:mine")
    assert loaded.to_deployment("x").entrypoint == "mine.py:mine"  # type: ignore[union-attr]
