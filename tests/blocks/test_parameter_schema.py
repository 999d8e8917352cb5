"""Blocks in the parameter schema of flows, checked with both validators of Prefect's server.

The server uses `validate_values_conform_to_schema` for new deployments, and `validate` for updated
deployments and for runs.
"""

from __future__ import annotations

from typing import Any

import pytest
from prefect import Flow
from prefect._internal.schemas.validators import validate_values_conform_to_schema
from prefect.blocks.core import Block
from prefect.utilities.schema_tools import ValidationError, validate

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from tests.support.block_parameters import (
    BLOCK_ID,
    BLOCK_TYPES,
    DESTINATION_TYPES,
    FLOWS,
    SECRET,
    SHAPES,
    STORE_FLOWS,
    make_user_flow,
    reference_forms,
    user_flow_parameters,
)


def invalid_values(kind: type[Block]) -> list[Any]:
    """Return invalid parameter values: no reference, or a reference with additional content."""
    reference = reference_forms(kind)[0]
    return [
        dict.fromkeys(kind.model_fields, SECRET),
        *({name: SECRET} for name in kind.model_fields),
        {"block_type_slug": kind.get_block_type_slug(), "token": SECRET},
        {},
        SECRET,
        {**reference, "token": SECRET},
        {"$ref": {"block_document_id": BLOCK_ID}, "token": SECRET},
        {"$ref": BLOCK_ID, "token": SECRET},
        {"$ref": {**reference["$ref"], "token": SECRET}},
        {"$ref": {"token": SECRET}},
        {"$ref": {"block_document_slug": SECRET}},
        {"$ref": {}},
        {"$ref": SECRET},
    ]


def assert_accepted(schema: dict[str, Any], values: dict[str, Any]) -> None:
    validate_values_conform_to_schema(values, schema, ignore_required=True)
    validate(values, schema, raise_on_error=True)


def assert_rejected(schema: dict[str, Any], values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Validation failed"):
        validate_values_conform_to_schema(values, schema, ignore_required=True)
    with pytest.raises(ValidationError):
        validate(values, schema, raise_on_error=True, ignore_required=True)


def credentials_schema(flow: Flow[..., Any], name: str = "credentials") -> dict[str, Any]:
    """Return the schema of a single parameter. Validators check all parameters."""
    schema = flow.parameters.model_dump()
    definitions = schema["definitions"].items()
    return {
        "type": "object",
        "properties": {name: schema["properties"][name]},
        "definitions": {
            key: definition for key, definition in definitions if "block_type_slug" in definition
        },
    }


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_flows_accept_only_block_references(flow: Flow[..., Any]) -> None:
    schema = credentials_schema(flow)
    assert len(BLOCK_TYPES) == 12
    references = [form for kind in BLOCK_TYPES for form in reference_forms(kind)]
    for value in (*references[:3], references, None):
        assert_accepted(schema, {"credentials": value})
    # The types are the same in all flows, and each check compares a value with all of them.
    for kind in BLOCK_TYPES if flow is FLOWS[0] else BLOCK_TYPES[-1:]:
        assert_rejected(schema, {"credentials": invalid_values(kind)[0]})
    assert_rejected(schema, {"credentials": [references[0], {"token": SECRET}]})


@pytest.mark.parametrize("flow", STORE_FLOWS, ids=lambda flow: flow.name)
def test_flows_accept_only_references_to_blocks_of_destinations(flow: Flow[..., Any]) -> None:
    name = "destination_credentials"
    schema = credentials_schema(flow, name)
    for kind in DESTINATION_TYPES if flow is STORE_FLOWS[0] else DESTINATION_TYPES[-1:]:
        for form in reference_forms(kind):
            assert_accepted(schema, {name: form})
        is_complete = flow is STORE_FLOWS[0] and kind is S3Credentials
        for invalid in invalid_values(kind)[: None if is_complete else 1]:
            assert_rejected(schema, {name: invalid})
    assert_accepted(schema, {name: None})
    slugs = {kind.get_block_type_slug() for kind in DESTINATION_TYPES}
    definitions = schema["definitions"].values()
    assert slugs <= {definition["block_type_slug"] for definition in definitions}


@pytest.mark.parametrize("kind", OUR_BLOCKS, ids=lambda kind: kind.__name__)
def test_user_flow_accepts_only_block_references(kind: type[Block]) -> None:
    schema = make_user_flow(kind).parameters.model_dump()
    for form in range(3):
        assert_accepted(schema, user_flow_parameters((kind,), form))
    assert_accepted(schema, user_flow_parameters((kind,), 0) | {"optional_0": None})
    for shape, (_, value) in SHAPES.items():
        for invalid in invalid_values(kind)[: None if shape == "block" else 1]:
            assert_rejected(schema, {f"{shape}_0": value(invalid)})


def test_block_type_schema_has_all_fields() -> None:
    for kind in OUR_BLOCKS:
        assert make_user_flow(kind).parameters.definitions
        schema = kind.model_json_schema()
        assert list(schema["properties"]) == list(kind.model_fields)
        assert schema["title"] == kind.__name__
        assert "patternProperties" not in schema


def test_parameter_schema_names_block_types() -> None:
    definitions: dict[str, Any] = flows.download_item.parameters.definitions or {}
    titles = {
        definition["block_type_slug"]: definition["title"].strip()
        for definition in definitions.values()
        if "block_type_slug" in definition
    }
    assert titles == {
        kind.get_block_type_slug(): kind.__name__ for kind in (*BLOCK_TYPES, *DESTINATION_TYPES)
    }


def test_nested_block_keeps_schema_checksum() -> None:
    class Parent(Block):
        creds: HttpCredentials

    references = Parent.model_json_schema()["block_schema_references"]
    assert references["creds"] == {
        "block_type_slug": "http-credentials",
        "block_schema_checksum": HttpCredentials._calculate_schema_checksum(),
    }
