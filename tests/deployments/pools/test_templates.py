"""Base job templates, validated with the workers of Prefect, without any infrastructure.

`worker_schemas.json` has the variables and the schema of the job configuration of workers that are
not installed here: `get_default_base_job_template()` and `job_configuration.model_json_schema()` of
the worker classes in the named version of the package.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.utilities.dispatch import lookup_type
from prefect.workers.base import BaseJobConfiguration, BaseWorker
from prefect.workers.process import ProcessWorker
from prefect_aws.workers.ecs_worker import ECSWorker
from prefect_docker.worker import DockerWorker
from prefect_gcp import GcpCredentials
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2
from pydantic import ConfigDict

from prefect_stac_asset.deployments.pools import POOL_TYPES
from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from tests.support.cloud_blocks import service_account

WORKERS: dict[str, type[BaseWorker[Any, Any, Any]]] = {
    "process": ProcessWorker,
    "docker": DockerWorker,
    "ecs": ECSWorker,
    "cloud-run": CloudRunWorkerV2,
}
SCHEMAS: dict[str, Any] = json.loads(Path(__file__).with_name("worker_schemas.json").read_text())
JOB_VARIABLES = read_deployments()[0].work_pool.job_variables
REQUIRED = {"slurm": {"working_dir": "/home/user/repository"}}
CREDENTIALS = {"cloud-run": {"credentials": GcpCredentials(service_account_info=service_account())}}
"""Without credentials, the worker requests those of the machine."""

UNUSED = PrefectClient("http://127.0.0.1:1/api")
"""A client without a server. The templates refer to no blocks and variables of a server."""
"""Values of variables that a template requires, and that `stac-asset init` sets."""


class _AnyConfiguration(BaseJobConfiguration):
    """A job configuration that keeps all values, for workers that are not installed."""

    model_config = ConfigDict(extra="allow")


async def configuration(kind: str, **values: Any) -> dict[str, Any]:
    """Return the job configuration of a run, validated by the worker or by the schema."""
    template = POOL_TYPES[kind].base_job_template(REQUIRED.get(kind, {}))
    model = WORKERS[kind].job_configuration if kind in WORKERS else _AnyConfiguration
    values = {**JOB_VARIABLES, **CREDENTIALS.get(kind, {}), **values}
    job = await model.from_template_and_values(template, values, client=UNUSED)
    dumped = job.model_dump(mode="json")
    if kind in SCHEMAS:
        schema = SCHEMAS[kind]["configuration"]
        set_values = {name: value for name, value in dumped.items() if value is not None}
        jsonschema.validate(set_values, schema)
        assert set(set_values) <= set(schema["properties"])
    return dumped


def placeholders(value: object) -> set[str]:
    return set(re.findall(r"{{\s*(\w+)\s*}}", json.dumps(value)))


@pytest.mark.parametrize("kind", POOL_TYPES)
def test_every_placeholder_is_a_variable(kind: str) -> None:
    template = POOL_TYPES[kind].base_job_template({})
    assert set(template) == {"job_configuration", "variables"}
    assert placeholders(template["job_configuration"]) <= set(template["variables"]["properties"])


@pytest.mark.parametrize("kind", POOL_TYPES)
def test_defaults_are_valid_values_of_their_variables(kind: str) -> None:
    variables = POOL_TYPES[kind].base_job_template(REQUIRED.get(kind, {}))["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    properties = variables["properties"]
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    jsonschema.validate(defaults, variables)


@pytest.mark.parametrize("kind", POOL_TYPES)
def test_template_has_all_variables_of_the_worker(kind: str) -> None:
    if kind in WORKERS:
        default = WORKERS[kind].get_default_base_job_template()
        variables = set(default["variables"]["properties"])
    else:
        variables = set(SCHEMAS[kind]["variables"])
    assert variables <= set(POOL_TYPES[kind].base_job_template({})["variables"]["properties"])


@pytest.mark.parametrize("kind", POOL_TYPES)
def test_worker_type_is_that_of_the_package(kind: str) -> None:
    if kind in WORKERS:
        assert WORKERS[kind].type == POOL_TYPES[kind].worker
        assert lookup_type(BaseWorker, POOL_TYPES[kind].worker) is WORKERS[kind]
    else:
        assert SCHEMAS[kind]["package"] == POOL_TYPES[kind].package


@pytest.mark.parametrize("kind", POOL_TYPES)
async def test_runs_send_heartbeats(kind: str) -> None:
    job = await configuration(kind)
    assert job["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    job = await configuration(kind, env={"HTTPS_PROXY": "http://proxy"})
    assert job["env"] == {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "HTTPS_PROXY": "http://proxy",
    }


async def test_docker_job_mounts_the_volume_and_is_removed() -> None:
    job = await configuration("docker", volumes=["/data:/data"])
    assert (job["volumes"], job["auto_remove"]) == (["/data:/data"], True)
    assert job["image"] == "stac-asset:latest"


async def test_kubernetes_job_mounts_the_claim_without_root() -> None:
    job = await configuration("kubernetes", image="registry.example.com/stac:1")
    pod = job["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["volumes"] == [{"name": "stac", "persistentVolumeClaim": {"claimName": "stac"}}]
    assert container["volumeMounts"] == [{"name": "stac", "mountPath": "/srv/stac"}]
    assert container["image"] == "registry.example.com/stac:1"
    assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000}
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


async def test_kubernetes_job_without_claim_has_no_volume() -> None:
    job = await configuration("kubernetes", volumes=[], volume_mounts=[])
    pod = job["job_manifest"]["spec"]["template"]["spec"]
    assert (pod["volumes"], pod["containers"][0]["volumeMounts"]) == ([], [])


async def test_ecs_task_uses_the_image_and_its_role() -> None:
    job = await configuration("ecs", image="123.ecr/stac:1", task_role_arn="arn:aws:iam::1:role/x")
    (container,) = job["task_definition"]["containerDefinitions"]
    assert container["image"] == "123.ecr/stac:1"
    assert job["task_run_request"]["overrides"]["taskRoleArn"] == "arn:aws:iam::1:role/x"


async def test_cloud_run_job_may_take_a_day() -> None:
    job = await configuration("cloud-run")
    template = job["job_body"]["template"]["template"]
    assert str(template["timeout"]).removesuffix("s") == "86400"
    assert template["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


async def test_slurm_job_runs_in_the_environment_of_the_repository() -> None:
    activate = "/home/user/repository/.venv/bin/activate"
    job = await configuration("slurm", source_files=[activate], partition="short")
    assert (job["source_files"], job["partition"]) == ([activate], "short")
    assert (job["working_dir"], job["time_limit"]) == ("/home/user/repository", 24)
