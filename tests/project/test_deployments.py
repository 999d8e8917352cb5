"""The deployments: loaded strictly, since Prefect ignores keys that it does not know."""

from __future__ import annotations

from pathlib import Path

import yaml
from prefect import Flow
from prefect.cli.deploy._models import DeploymentConfig
from prefect.utilities.importtools import import_object

import deployments

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())


def test_every_key_of_a_deployment_is_known() -> None:
    assert set(FILE) <= {"name", "definitions", "deployments"}
    for deployment in FILE["deployments"]:
        assert set(deployment) <= set(DeploymentConfig.model_fields), deployment["name"]
        DeploymentConfig.model_validate(deployment)


def test_entrypoints_are_modules_and_name_flows() -> None:
    for deployment in FILE["deployments"]:
        assert ":" not in deployment["entrypoint"]
        assert isinstance(import_object(deployment["entrypoint"]), Flow)


def test_python_and_yaml_list_the_same() -> None:
    in_python = {deployment.name for deployment in deployments.deployments()}
    assert in_python == {deployment["name"] for deployment in FILE["deployments"]}
