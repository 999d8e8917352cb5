"""Registration of deployments that refer to blocks that are not saved on the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from pydantic import SecretStr

from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.deployments import deployments
from prefect_stac_asset.deployments.registration import (
    make_process_pool,
    register_deployments,
    register_served,
)
from stac_asset.errors import ConfigError

pytestmark = pytest.mark.usefixtures("prefect_test")

POOL = "pool-of-saved-blocks"


def reference(slug: str) -> dict[str, Any]:
    return {"$ref": {"block_document_slug": slug}}


def write_file(folder: Path, **parameters: dict[str, Any]) -> Path:
    """Write a file with a deployment for each name, whose parameters are given."""
    listed = [
        {
            "name": name,
            "description": "A deployment of the tests.",
            "entrypoint": "prefect_stac_asset.flows.verify",
            "parameters": {"directory": "/data"} | given.get("parameters", {}),
            "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
            "work_pool": {"name": POOL},
            "schedules": [{"slug": "nightly", "cron": "0 2 * * *", "active": False}],
        }
        for name, given in parameters.items()
    ]
    for deployment, given in zip(listed, parameters.values(), strict=True):
        deployment["schedules"][0]["parameters"] = given.get("schedule", {})
    file = folder / "prefect.yaml"
    file.write_text(json.dumps({"name": "test", "pull": [], "deployments": listed}))
    return file


async def test_deployment_with_a_missing_block_is_refused_by_name(tmp_path: Path) -> None:
    name = "saved-for-deployments"
    block = HttpCredentials(hosts=["example.com"], token=SecretStr("token"))
    await block.save(name, overwrite=True)
    await make_process_pool(POOL, tmp_path)
    saved = reference(f"http-credentials/{name}")
    misspelt, unknown = f"http-credentials/{name}s", "s3-credentials/of-no-one"
    given = {
        "accepted": {"parameters": {"credentials": [saved]}},
        "misspelt": {"parameters": {"credentials": [saved, reference(misspelt)]}},
        "scheduled": {"schedule": {"destination_credentials": reference(unknown)}},
    }
    cure = "Correct the reference, or save the block, and register the deployment again."
    with pytest.raises(ConfigError) as refused:
        [_ async for _ in register_deployments(write_file(tmp_path, **given))]
    assert str(refused.value).splitlines() == [
        "Deployment 'verify/misspelt' is not registered, because parameter `credentials[1]` refers "
        f"to block '{misspelt}', which is not saved on the server. The nearest name is "
        f"`http-credentials/{name}`. {cure}",
        "Deployment 'verify/scheduled' is not registered, because parameter "
        f"`schedules.nightly.destination_credentials` refers to block '{unknown}', which is not "
        f"saved on the server. {cure}",
    ]
    async with get_client() as client:
        found = {one.name for one in await client.read_deployments()}
        assert found & given.keys() == {"accepted"}
    corrected = write_file(tmp_path, misspelt={"parameters": {"credentials": [saved]}})
    printed = [line async for line in register_deployments(corrected)]
    assert printed == ["verify/misspelt"]

    # A change of the file to a block that is not saved keeps the registered deployment.
    wrong = write_file(tmp_path, misspelt={"parameters": {"credentials": reference(misspelt)}})
    with pytest.raises(ConfigError, match=r"'verify/misspelt' is not registered"):
        [_ async for _ in register_deployments(wrong)]
    async with get_client() as client:
        kept = await client.read_deployment_by_name("verify/misspelt")
    assert kept.parameters["credentials"] == [saved]

    # The run form refers to a selected block by its id.
    other = HttpCredentials(hosts=["example.com"], token=SecretStr("token"))
    id = await other.save(f"{name}-in-form", overwrite=True)
    selected = {"directory": "/data", "credentials": {"$ref": {"block_document_id": str(id)}}}
    async with get_client() as client:
        corrected = write_file(tmp_path, misspelt={"parameters": {"credentials": [saved]}})
        await client.update_deployment(kept.id, DeploymentUpdate(parameters=selected))
        [_ async for _ in register_deployments(corrected)]
        kept = await client.read_deployment_by_name("verify/misspelt")
        assert kept.parameters == selected
        await client.delete_block_document(id)
    with pytest.raises(ConfigError, match=f"`credentials` refers to block '{id}', which is not"):
        [_ async for _ in register_deployments(corrected)]


async def test_served_deployment_with_a_missing_block_is_refused(tmp_path: Path) -> None:
    given = {"parameters": {"credentials": reference("http-credentials/of-no-one")}}
    with pytest.raises(ConfigError, match=r"'verify/served-here' is not registered.*`credentials`"):
        await register_served(deployments(write_file(tmp_path, **{"served-here": given})))
