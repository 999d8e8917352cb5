"""Run form schema of every deployment: titles, descriptions and groups of options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import ValidationError, validate
from pydantic import ValidationError as ModelError

from prefect_stac_asset.deployments.prefect_yaml import Deployment, read_deployments
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.parameters.form import COMMON, GROUPS

DEPLOYMENTS = read_deployments()
DOWNLOADS = [one for one in DEPLOYMENTS if one.name != "end-crashed-runs"]
"""Deployments of flows with options of a download."""


def schema_of(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = parameter_schema(deployment.flow()).model_dump()
    return found


def fields(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and schemas of all form fields, including nested fields."""
    for name, field in schema.get("properties", {}).items():
        # A field without a title has the title of its definition.
        definition = definitions.get(str(field.get("$ref", "")).rpartition("/")[2], {})
        yield name, definition | field
        for inner in (field, *field.get("anyOf", ())):
            target = definitions.get(str(inner.get("$ref", "")).rpartition("/")[2], inner)
            if "block_type_slug" not in target:  # The form shows a selection of saved blocks.
                yield from fields(target, definitions)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment.name)
def test_every_field_has_title_and_description(deployment: Deployment) -> None:
    schema = schema_of(deployment)
    form_fields = list(fields(schema, schema["definitions"]))
    assert len(form_fields) > (40 if deployment in DOWNLOADS else 0)
    for name, field in form_fields:
        title, description = field.get("title", ""), field.get("description", "")
        assert title[:1].isupper(), name
        assert "_" not in title, name
        assert title != name.replace("_", " ").title() or "_" not in name, name
        assert len(description) > 10, name
        assert not re.search(r":class:|`self|pystac\.", description), name


@pytest.mark.parametrize("deployment", DOWNLOADS, ids=lambda deployment: deployment.name)
def test_form_hides_groups_of_options_by_default(deployment: Deployment) -> None:
    schema = schema_of(deployment)
    assert len(schema["properties"]) <= 12
    options = schema["properties"]["options"]
    assert {"type": "null"} in options["anyOf"]
    assert options["default"] is None
    inside = schema["definitions"]["DownloadOptions"]["properties"]
    assert list(inside) == [*COMMON, *GROUPS]
    # Some databases do not keep the order of keys.
    assert [field["position"] for field in inside.values()] == list(range(len(inside)))
    for name in GROUPS:
        assert inside[name]["default"] is None
        assert {"type": "null"} in inside[name]["anyOf"]


def test_every_option_is_in_one_group_with_title_and_description() -> None:
    groups = [COMMON, *(group.titles for group in GROUPS.values())]
    assert sorted(name for titles in groups for name in titles) == sorted(
        DownloadOptions.model_fields
    )
    assert all(title for titles in groups for title in titles.values())
    assert all(group.title and group.description for group in GROUPS.values())
    for name, field in DownloadOptions.model_fields.items():
        assert field.description, name


def validate_options(options: dict[str, Any]) -> None:
    """Validate options as the server does before creating a flow run."""
    values = {"source": "https://example.com/item.json", "directory": "x", "options": options}
    validate(values, schema_of(DOWNLOADS[0]), raise_on_error=True)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": {"retry_wait": 3.0}, "rare": None, "overwrite": True},
        {"retry_wait": 3.0, "overwrite": True},
        DownloadOptions(retry_wait=3.0, overwrite=True).model_dump(mode="json"),
    ],
    ids=["form with groups", "flat", "from Python"],
)
def test_grouped_and_flat_options_are_accepted(options: dict[str, Any]) -> None:
    validate_options(options)
    assert DownloadOptions.model_validate(options) == DownloadOptions(
        retry_wait=3.0, overwrite=True
    )


@pytest.mark.parametrize(
    "options",
    [
        {"no_such_option": 1},
        {"attempts": {"no_such_option": 1}},
        {"attempts": {"retry_wait": "long"}},
        {"retry_wait": "long"},
        {"attempts": 3},
    ],
    ids=str,
)
def test_invalid_options_are_refused_by_server_and_flow(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validate_options(options)
    with pytest.raises(ModelError):
        DownloadOptions.model_validate(options)


def test_option_set_twice_is_refused() -> None:
    with pytest.raises(ModelError, match="'retry_wait' is set twice"):
        DownloadOptions.model_validate({"retry_wait": 1.0, "attempts": {"retry_wait": 2.0}})
