"""References to saved blocks as parameters of deployments that the server does not have yet."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped] # it comes with Prefect, without types
from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.deployments import run_deployment
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.schedules import Interval
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.blocks.references import is_reference
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from stac_asset.testing import Origin
from tests.blocks.test_parameter_schema import FLOWS, KINDS, SECRET, forms, given_to_own, own
from tests.flows.deploying import ROOT, deploy
from tests.flows.own_flow import hosts_of
from tests.make_item import make_item
from tests.server_logs import checked_log

PLACES = {"source": "https://example.com/item.json", "directory": "data"}


async def check_server(
    of: Flow[..., Any], given: list[dict[str, Any]], refused: dict[str, Any]
) -> None:
    """Create deployments of a flow, update one of them and create runs of it.

    Args:
        of: The flow.
        given: Parameters with references, which the server keeps each time.
        refused: Parameters with fields of a block, which the server refuses each time.
    """
    deployment = await of.to_deployment(  # type: ignore[misc] # a coroutine in an event loop
        "empty", entrypoint_type=EntrypointType.MODULE_PATH
    )

    def new(parameters: dict[str, Any]) -> RunnerDeployment:
        changed = {"name": f"new-{uuid4().hex}", "parameters": parameters}
        return deployment.model_copy(update=changed)  # type: ignore[no-any-return]

    updated = await new({}).aapply()
    async with get_client() as client:
        for parameters in given:
            created = await client.read_deployment(await new(parameters).aapply())
            assert created.parameters == parameters
            await client.update_deployment(updated, DeploymentUpdate(parameters=parameters))
            assert (await client.read_deployment(updated)).parameters == parameters
            run = await client.create_flow_run_from_deployment(created.id)
            assert run.parameters == parameters
            run = await client.create_flow_run_from_deployment(updated, parameters=parameters)
            assert run.parameters == parameters
        with pytest.raises(DeploymentApplyError, match="Validation failed"):
            await new(refused).aapply()
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.update_deployment(updated, DeploymentUpdate(parameters=refused))
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.create_flow_run_from_deployment(updated, parameters=refused)
        assert (await client.read_deployment(updated)).parameters == given[-1]


def places_of(of: Flow[..., Any]) -> dict[str, Any]:
    return {name: PLACES[name] for name in of.parameters.required or []}


@pytest.mark.parametrize("of", FLOWS, ids=lambda of: of.name)
async def test_server_takes_references_in_new_deployments_of_each_flow(
    of: Flow[..., Any],
) -> None:
    places = places_of(of)
    every = [form for kind in KINDS for form in forms(kind)]
    given = [{**places, "credentials": value} for value in (every[0], every)]
    await check_server(of, given, {**places, "credentials": {"token": SECRET}})


async def test_server_takes_references_in_new_deployments_of_own_flow() -> None:
    given = [given_to_own(OUR_BLOCKS, form) for form in range(3)]
    await check_server(own(*OUR_BLOCKS), given, {"block_0": {"token": SECRET}})


async def test_saved_block_itself_becomes_a_reference() -> None:
    block = HttpCredentials(hosts=["example.com"], token=SECRET)
    saved_id = await block.save(f"itself-{uuid4().hex[:8]}")
    deployment = await flows.verify.to_deployment(  # type: ignore[misc]
        f"new-{uuid4().hex}", parameters={"directory": "data", "credentials": [block]}
    )
    async with get_client() as client:
        found = await client.read_deployment(await deployment.aapply())
    assert is_reference(found.parameters["credentials"][0])
    assert str(saved_id) in str(found.parameters["credentials"])
    assert SECRET not in str(found)


class Parent(Block):
    """A user's own block that has one of ours in it."""

    _block_type_slug = "parent-of-credentials"

    creds: HttpCredentials
    label: str = "x"


async def test_block_type_is_registered_with_all_fields() -> None:
    for kind in OUR_BLOCKS:
        await kind.register_type_and_schema()
        async with get_client() as client:
            saved = await client.read_block_schema_by_checksum(kind._calculate_schema_checksum())
        assert set(saved.fields["properties"]) == set(kind.model_fields)


async def test_block_within_a_block_is_saved_and_loaded() -> None:
    creds = HttpCredentials(hosts=["example.com"], token=SECRET)
    await creds.save("inner", overwrite=True)
    await Parent(creds=creds).save("outer", overwrite=True)
    loaded = await Parent.load("outer")
    assert loaded.creds.hosts == ["example.com"]
    assert loaded.creds.token is not None
    assert loaded.creds.token.get_secret_value() == SECRET
    async with get_client() as client:
        checksum = Parent._calculate_schema_checksum()
        fields = (await client.read_block_schema_by_checksum(checksum)).fields
    assert set(fields["definitions"]["HttpCredentials"]["properties"]) == set(
        HttpCredentials.model_fields
    )


@pytest.fixture
async def saved(origin: Origin) -> str:
    """The slug of a saved block with a token that the origin requires."""
    origin.require("Authorization", f"Bearer {SECRET}")
    name = f"for-{uuid4().hex[:8]}"
    await HttpCredentials(hosts=[origin.url], token=SECRET).save(name)
    return f"http-credentials/{name}"


async def test_runs_of_new_deployments_use_the_credentials(
    origin: Origin, saved: str, tmp_path: Path, pool: str
) -> None:
    reference = blocks.ref(saved)
    ours = {
        "source": make_item(origin, "a"),
        "directory": str(tmp_path),
        "credentials": reference,
    }
    block = await HttpCredentials.load(saved.partition("/")[2])
    by_id = {"$ref": {"block_document_id": str(block._block_document_id)}}
    their = {"creds": reference, "more": [by_id, reference], "job": {"creds": reference}}
    names = [
        await deploy(flows.download_item, pool, parameters=ours),
        await deploy(hosts_of, pool, parameters=their),
    ]
    run, own_run = await asyncio.gather(*(run_deployment(name, timeout=280) for name in names))
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert run.parameters["credentials"] == reference
    assert own_run.state is not None
    assert own_run.state.is_completed(), own_run.state
    assert await own_run.state.aresult() == [origin.url] * 4


async def test_schedule_with_a_reference_makes_runs_with_it() -> None:
    reference = blocks.ref("http-credentials/mine")
    deployment = await flows.verify.to_deployment(  # type: ignore[misc]
        f"new-{uuid4().hex}",
        entrypoint_type=EntrypointType.MODULE_PATH,
        parameters={"directory": "data"},
        schedule=Interval(timedelta(days=1), parameters={"credentials": [reference]}),
    )
    made = await deployment.aapply()
    async with get_client() as client:
        (schedule,) = (await client.read_deployment(made)).schedules
    assert isinstance(schedule.schedule, IntervalSchedule)
    assert schedule.parameters == {"credentials": [reference]}


def environment() -> dict[str, str]:
    """Return the environment of a process that talks to the server of the tests."""
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return {**os.environ, **settings, "PYTHONPATH": str(ROOT)}


def run_python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def listing(pool: str, prefix: str, *more: dict[str, Any]) -> dict[str, Any]:
    """Return a `prefect.yaml` with a deployment of each flow, all with credentials."""
    common = {
        "description": "Of a test.",
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {"name": pool},
    }
    credentials = [
        blocks.ref("http-credentials/mine"),
        [blocks.ref("s3-credentials/mine"), blocks.ref("aws-credentials/mine")],
    ]
    listed = [
        {
            **common,
            "name": f"{prefix}-{number}",
            "entrypoint": f"{of.fn.__module__}.{of.fn.__name__}",
            "parameters": {**places_of(of), "credentials": credentials[number % 2]},
            "schedules": [
                {
                    "slug": "nightly",
                    "cron": "0 2 * * *",
                    "timezone": "UTC",
                    "active": False,
                    "parameters": {"credentials": credentials[number % 2]},
                }
            ],
        }
        for number, of in enumerate(FLOWS)
    ]
    listed += [{**common, **one} for one in more]
    return {"name": "of-a-test", "pull": [], "deployments": listed}


async def stored(prefix: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of the deployments of `listing`, by flow."""
    found = {}
    async with get_client() as client:
        for number, of in enumerate(FLOWS):
            one = await client.read_deployment_by_name(f"{of.name}/{prefix}-{number}")
            assert one.schedules[0].parameters["credentials"] == one.parameters["credentials"]
            found[of.name] = one.parameters
    return found


async def test_prefect_deploy_registers_all_deployments_with_credentials(
    pool: str, tmp_path: Path
) -> None:
    document = listing(pool, prefix := uuid4().hex[:8])
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(document))
    done = run_python("-m", "prefect", "--no-prompt", "deploy", "--all", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = [one["parameters"] for one in document["deployments"]]
    assert list((await stored(prefix)).values()) == wanted


async def test_deploy_registers_all_deployments_that_are_not_refused(
    pool: str, tmp_path: Path
) -> None:
    prefix = uuid4().hex[:8]
    reference = blocks.ref("http-credentials/mine")
    own_one = {
        "entrypoint": "tests.flows.own_flow.hosts_of",
        "parameters": {"creds": reference, "more": [reference], "job": {"creds": reference}},
    }
    wrong = {**own_one, "work_pool": {"name": pool, "job_variables": {"stream_output": "never"}}}
    fields = {"hosts": ["example.com"], "token": SECRET}
    document = listing(
        pool,
        prefix,
        {**wrong, "name": f"{prefix}-new"},
        {**wrong, "name": f"{prefix}-old"},
        {**own_one, "name": f"{prefix}-fields", "parameters": {"creds": fields}},
        {**own_one, "name": f"{prefix}-own"},
    )
    listed = document["deployments"]
    listed.insert(0, listed.pop(len(FLOWS)))  # The first one is refused.
    old = await hosts_of.to_deployment(f"{prefix}-old", entrypoint_type=EntrypointType.MODULE_PATH)  # type: ignore[misc]
    await old.aapply()  # So that its update is refused.
    (file := tmp_path / "prefect.yaml").write_text(yaml.safe_dump(document))
    done = run_python(
        "-m", "prefect_stac_asset.deployments", "deploy", "--file", str(file), folder=tmp_path
    )
    assert done.returncode == 1, done.stderr
    created, updated, with_fields = done.stderr.splitlines()
    printed = done.stdout.splitlines()
    assert "http-credentials" in printed
    assert [line for line in printed if "/" in line] == [
        *(f"{of.name}/{prefix}-{number}" for number, of in enumerate(FLOWS)),
        f"hosts-of/{prefix}-own",
    ]
    assert created.startswith(f"error: deployment '{prefix}-new' is refused: ")
    assert updated.startswith(f"deployment '{prefix}-old' is refused: ")
    assert "'never'" in created
    assert "'never'" in updated
    assert with_fields == (
        f"deployment '{prefix}-fields' is refused: Validation failed for field 'creds'. Failure "
        "reason: 'hosts', 'token' do not match any of the regexes: '^\\\\$ref$'"
    )
    wanted = [one["parameters"] for one in listed[1 : 1 + len(FLOWS)]]
    assert list((await stored(prefix)).values()) == wanted
    async with get_client() as client:
        found = await client.read_deployment_by_name(f"hosts-of/{prefix}-own")
    assert found.parameters == own_one["parameters"]


async def test_deploy_of_a_flow_takes_references(pool: str) -> None:
    made: Any = await flows.sync.deploy(  # type: ignore[misc]
        f"new-{uuid4().hex}",
        work_pool_name=pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_next_steps=False,
        parameters={**PLACES, "credentials": blocks.ref("http-credentials/mine")},
    )
    async with get_client() as client:
        found = await client.read_deployment(made)
    assert found.parameters["credentials"] == blocks.ref("http-credentials/mine")


_SERVED = """
from prefect_stac_asset import blocks, flows
parameters = {"directory": "data", "credentials": [blocks.ref("http-credentials/mine")]}
flows.verify.serve(name="%s", parameters=parameters)
"""


async def test_serve_of_a_flow_takes_references(tmp_path: Path) -> None:
    name = uuid4().hex
    (script := tmp_path / "served.py").write_text(_SERVED % name)
    log = tmp_path / "log"
    with checked_log(log), log.open("wb") as output:
        serving = subprocess.Popen(  # noqa: ASYNC220 # it starts at once
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            async with get_client() as client:
                for _ in range(600):
                    assert serving.poll() is None, log.read_text()
                    try:
                        found = await client.read_deployment_by_name(f"verify/{name}")
                        break
                    except ObjectNotFound:
                        await asyncio.sleep(0.2)
            assert found.parameters["credentials"] == [blocks.ref("http-credentials/mine")]
        finally:
            serving.kill()
            serving.wait()
