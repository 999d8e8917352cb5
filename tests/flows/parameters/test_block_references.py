"""References to saved blocks as parameters of new deployments."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped] # installed by Prefect, has no type hints
from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.deployments import run_deployment
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.schedules import Interval
from prefect.types.entrypoint import EntrypointType
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.blocks.references import is_reference
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from stac_asset.testing import Origin
from tests.support.block_parameters import (
    BLOCK_TYPES,
    FLOWS,
    SECRET,
    make_user_flow,
    reference_forms,
    user_flow_parameters,
)
from tests.support.items import make_item
from tests.support.prefect_environment import PREPARED_PYTHON, prefect_environment
from tests.support.server_logs import checked_log
from tests.support.user_flow import list_hosts
from tests.support.workers import deploy, wait_for_pool

REQUIRED = {"source": "https://example.com/item.json", "directory": "data"}


async def check_server(
    of: Flow[..., Any], accepted: list[dict[str, Any]], rejected: dict[str, Any]
) -> None:
    """Check the server's validation of deployments, updates of a deployment, and runs.

    Args:
        of: The flow.
        accepted: Parameters with references, which the server must store unchanged.
        rejected: Parameters with fields of a block, which the server must reject.
    """
    deployment = await of.to_deployment(  # type: ignore[misc] # a coroutine in an event loop
        "empty", entrypoint_type=EntrypointType.MODULE_PATH
    )

    def new(parameters: dict[str, Any]) -> RunnerDeployment:
        changed = {"name": f"new-{uuid4().hex}", "parameters": parameters}
        return deployment.model_copy(update=changed)  # type: ignore[no-any-return]

    updated = await new({}).aapply()
    async with get_client() as client:
        for parameters in accepted:
            created = await client.read_deployment(await new(parameters).aapply())
            assert created.parameters == parameters
            await client.update_deployment(updated, DeploymentUpdate(parameters=parameters))
            assert (await client.read_deployment(updated)).parameters == parameters
            run = await client.create_flow_run_from_deployment(created.id)
            assert run.parameters == parameters
            run = await client.create_flow_run_from_deployment(updated, parameters=parameters)
            assert run.parameters == parameters
        with pytest.raises(DeploymentApplyError, match="Validation failed"):
            await new(rejected).aapply()
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.update_deployment(updated, DeploymentUpdate(parameters=rejected))
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.create_flow_run_from_deployment(updated, parameters=rejected)
        assert (await client.read_deployment(updated)).parameters == accepted[-1]


def required_parameters(of: Flow[..., Any]) -> dict[str, Any]:
    return {name: REQUIRED[name] for name in of.parameters.required or []}


async def test_server_accepts_references_in_deployments_updates_and_runs() -> None:
    every = [form for kind in BLOCK_TYPES for form in reference_forms(kind)]
    given = [{**REQUIRED, "credentials": value} for value in (every[0], every)]
    await check_server(flows.download_item, given, {**REQUIRED, "credentials": {"token": SECRET}})


# All flows have the same type of credentials. The server validates updates and runs of a deployment
# with the schema of the deployment.
@pytest.mark.parametrize(
    "of", [of for of in FLOWS if of is not flows.download_item], ids=lambda of: of.name
)
async def test_server_accepts_references_in_new_deployments_of_each_flow(
    of: Flow[..., Any],
) -> None:
    every = [form for kind in BLOCK_TYPES for form in reference_forms(kind)]
    for credentials in (every, {"token": SECRET}):
        parameters = {**required_parameters(of), "credentials": credentials}
        deployment = await of.to_deployment(  # type: ignore[misc] # a coroutine in an event loop
            uuid4().hex, entrypoint_type=EntrypointType.MODULE_PATH, parameters=parameters
        )
        if credentials is not every:
            with pytest.raises(DeploymentApplyError, match="Validation failed"):
                await deployment.aapply()
            continue
        async with get_client() as client:
            created = await client.read_deployment(await deployment.aapply())
        assert created.parameters == parameters


async def test_server_accepts_references_in_new_deployments_of_user_flow() -> None:
    given = [user_flow_parameters(OUR_BLOCKS, form) for form in range(3)]
    await check_server(make_user_flow(*OUR_BLOCKS), given, {"block_0": {"token": SECRET}})


async def test_saved_block_is_stored_as_reference() -> None:
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


class OuterBlock(Block):
    """User-defined block with a credential block as a field."""

    _block_type_slug = "parent-of-credentials"

    creds: HttpCredentials
    label: str = "x"


async def test_block_type_is_registered_with_all_fields() -> None:
    for kind in OUR_BLOCKS:
        await kind.register_type_and_schema()
        async with get_client() as client:
            saved = await client.read_block_schema_by_checksum(kind._calculate_schema_checksum())
        assert set(saved.fields["properties"]) == set(kind.model_fields)


async def test_nested_block_is_saved_and_loaded() -> None:
    creds = HttpCredentials(hosts=["example.com"], token=SECRET)
    await creds.save("inner", overwrite=True)
    await OuterBlock(creds=creds).save("outer", overwrite=True)
    loaded = await OuterBlock.load("outer")
    assert loaded.creds.hosts == ["example.com"]
    assert loaded.creds.token is not None
    assert loaded.creds.token.get_secret_value() == SECRET
    async with get_client() as client:
        checksum = OuterBlock._calculate_schema_checksum()
        fields = (await client.read_block_schema_by_checksum(checksum)).fields
    assert set(fields["definitions"]["HttpCredentials"]["properties"]) == set(
        HttpCredentials.model_fields
    )


@pytest.fixture
async def saved_slug(origin: Origin) -> str:
    """Slug of a saved block with the token required by the origin."""
    origin.require("Authorization", f"Bearer {SECRET}")
    name = f"for-{uuid4().hex[:8]}"
    await HttpCredentials(hosts=[origin.url], token=SECRET).save(name)
    return f"http-credentials/{name}"


async def test_runs_of_new_deployments_use_referenced_blocks(
    origin: Origin, saved_slug: str, tmp_path: Path, pool: str
) -> None:
    reference = blocks.ref(saved_slug)
    item_parameters = {
        "source": make_item(origin, "a"),
        "directory": str(tmp_path),
        "credentials": reference,
    }
    block = await HttpCredentials.load(saved_slug.partition("/")[2])
    by_id = {"$ref": {"block_document_id": str(block._block_document_id)}}
    own_parameters = {"creds": reference, "more": [by_id, reference], "job": {"creds": reference}}
    names = [
        await deploy(flows.download_item, pool, parameters=item_parameters),
        await deploy(list_hosts, pool, parameters=own_parameters),
    ]
    run, own_run = await asyncio.gather(
        *(run_deployment(name, timeout=280, poll_interval=1) for name in names)
    )
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert run.parameters["credentials"] == reference
    assert own_run.state is not None
    assert own_run.state.is_completed(), own_run.state
    assert await own_run.state.aresult() == [origin.url] * 4


async def test_schedule_parameters_accept_references() -> None:
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


def run_python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PREPARED_PYTHON, *arguments],
        cwd=folder,
        env=prefect_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def prefect_yaml(pool: str, prefix: str, *more: dict[str, Any]) -> dict[str, Any]:
    """Return a `prefect.yaml` with a deployment of each flow with credentials.

    Args:
        pool: Name of the work pool.
        prefix: Prefix of the deployment names, and name of the blocks.
        more: Additional deployments.
    """
    common = {
        "description": "Created by a test.",
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {"name": pool},
    }
    credentials = [
        blocks.ref(f"http-credentials/{prefix}"),
        [blocks.ref(f"s3-credentials/{prefix}"), blocks.ref(f"aws-credentials/{prefix}")],
    ]
    listed = [
        {
            **common,
            "name": f"{prefix}-{number}",
            "entrypoint": f"{of.fn.__module__}.{of.fn.__name__}",
            "parameters": {**required_parameters(of), "credentials": credentials[number % 2]},
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
    listed += [{**common, **extra} for extra in more]
    return {"name": "test-project", "pull": [], "deployments": listed}


async def save_blocks(name: str) -> None:
    """Save the blocks to which `prefect_yaml` refers."""
    for block in (
        HttpCredentials(hosts=["example.com"], token=SecretStr(SECRET)),
        S3Credentials(),
        AwsCredentials(),
    ):
        await Block.asave(block, name)


async def stored_parameters(prefix: str) -> dict[str, dict[str, Any]]:
    """Return the stored parameters of the deployments in `prefect_yaml`, by flow name."""
    found = {}
    async with get_client() as client:
        for number, of in enumerate(FLOWS):
            deployment = await client.read_deployment_by_name(f"{of.name}/{prefix}-{number}")
            schedule = deployment.schedules[0]
            assert schedule.parameters["credentials"] == deployment.parameters["credentials"]
            found[of.name] = deployment.parameters
    return found


async def test_prefect_deploy_registers_all_deployments_with_credentials(
    pool: str, tmp_path: Path
) -> None:
    document = prefect_yaml(pool, prefix := uuid4().hex[:8])
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(document))
    await wait_for_pool(pool)
    done = run_python("-m", "prefect", "--no-prompt", "deploy", "--all", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [entry["parameters"] for entry in document["deployments"]]
    assert list((await stored_parameters(prefix)).values()) == expected


async def test_deploy_registers_valid_deployments_and_reports_rejected_ones(
    pool: str, tmp_path: Path
) -> None:
    prefix = uuid4().hex[:8]
    reference = blocks.ref(f"http-credentials/{prefix}")
    await save_blocks(prefix)
    own = {
        "entrypoint": "tests.support.user_flow.list_hosts",
        "parameters": {"creds": reference, "more": [reference], "job": {"creds": reference}},
    }
    invalid = {**own, "work_pool": {"name": pool, "job_variables": {"stream_output": "never"}}}
    fields = {"hosts": ["example.com"], "token": SECRET}
    document = prefect_yaml(
        pool,
        prefix,
        {**invalid, "name": f"{prefix}-new"},
        {**invalid, "name": f"{prefix}-old"},
        {**own, "name": f"{prefix}-fields", "parameters": {"creds": fields}},
        {**own, "name": f"{prefix}-own"},
    )
    listed = document["deployments"]
    listed.insert(0, listed.pop(len(FLOWS)))  # A rejected deployment must not stop the others.
    old = await list_hosts.to_deployment(  # type: ignore[misc]
        f"{prefix}-old", entrypoint_type=EntrypointType.MODULE_PATH
    )
    await old.aapply()  # `deploy` must update this deployment.
    await wait_for_pool(pool)
    (file := tmp_path / "prefect.yaml").write_text(yaml.safe_dump(document))
    done = run_python(
        "-m", "prefect_stac_asset.deployments", "deploy", "--file", str(file), folder=tmp_path
    )
    assert done.returncode == 1, done.stderr
    created, updated, with_fields = done.stderr.splitlines()
    printed = done.stdout.splitlines()
    assert "http-credentials" in printed
    assert f"Deployments of {file}:" in printed
    assert [line for line in printed if prefix in line] == [
        *(f"{of.name}/{prefix}-{number}" for number, of in enumerate(FLOWS)),
        f"list-hosts/{prefix}-own",
    ]
    assert created.startswith(f"error: Prefect refused deployment '{prefix}-new': ")
    assert updated.startswith(f"Prefect refused deployment '{prefix}-old': ")
    assert "'never'" in created
    assert "'never'" in updated
    assert with_fields == (
        f"Prefect refused deployment '{prefix}-fields': Validation failed for field 'creds'. "
        "Failure reason: 'hosts', 'token' do not match any of the regexes: '^\\\\$ref$'"
    )
    expected = [entry["parameters"] for entry in listed[1 : 1 + len(FLOWS)]]
    assert list((await stored_parameters(prefix)).values()) == expected
    async with get_client() as client:
        found = await client.read_deployment_by_name(f"list-hosts/{prefix}-own")
    assert found.parameters == own["parameters"]


async def test_flow_deploy_accepts_references(pool: str) -> None:
    made: Any = await flows.sync.deploy(  # type: ignore[misc]
        f"new-{uuid4().hex}",
        work_pool_name=pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_next_steps=False,
        parameters={**REQUIRED, "credentials": blocks.ref("http-credentials/mine")},
    )
    async with get_client() as client:
        found = await client.read_deployment(made)
    assert found.parameters["credentials"] == blocks.ref("http-credentials/mine")


_SERVE_SCRIPT = """
from prefect_stac_asset import blocks, flows
parameters = {"directory": "data", "credentials": [blocks.ref("http-credentials/mine")]}
flows.verify.serve(name="%s", parameters=parameters)
"""


async def test_flow_serve_accepts_references(tmp_path: Path) -> None:
    name = uuid4().hex
    (script := tmp_path / "served.py").write_text(_SERVE_SCRIPT % name)
    log = tmp_path / "log"
    with checked_log(log), log.open("wb") as output:
        serving = subprocess.Popen(  # noqa: ASYNC220 # does not block
            [*PREPARED_PYTHON, str(script)],
            cwd=tmp_path,
            env=prefect_environment(),
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
