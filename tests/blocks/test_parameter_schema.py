"""Blocks in the schema of a flow's parameters, as both validators of Prefect's server read it.

`validate_values_conform_to_schema` checks deployments that are created, `validate` those that are
updated, and runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Optional

import pytest
from prefect import Flow, flow
from prefect._internal.schemas.validators import validate_values_conform_to_schema
from prefect.blocks.core import Block
from prefect.utilities.schema_tools import ValidationError, validate
from pydantic import create_model

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.blocks.prefect_aws import AWS_BLOCKS
from prefect_stac_asset.blocks.registry import OUR_BLOCKS

FLOWS: list[Flow[..., Any]] = [
    flows.check_assets,
    flows.download_collection,
    flows.download_item,
    flows.download_item_collection,
    flows.sync,
    flows.verify,
]
KINDS = (*OUR_BLOCKS, *AWS_BLOCKS)
ID = "0d6a4f6e-5c3f-4e0e-9d0b-3f6a1c2b7d10"
SECRET = "pl4nted-t0ken"

SHAPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "block": (lambda kind: kind, lambda value: value),
    "optional": (lambda kind: Optional[kind], lambda value: value),  # noqa: UP045 # at runtime
    "list": (lambda kind: list[kind], lambda value: [value, value]),
    "dict": (lambda kind: dict[str, kind], lambda value: {"one": value}),
    "model": (
        lambda kind: create_model("Job", creds=(kind, ...), other=(int, 1)),
        lambda value: {"creds": value},
    ),
    "union": (lambda kind: kind | int, lambda value: value),
}
"""Types that have a block in them, and values of them."""


def forms(kind: type[Block]) -> list[Any]:
    """Return the references that Prefect takes: by name, by id, and as its UI writes them."""
    return [
        blocks.ref(f"{kind.get_block_type_slug()}/my own"),
        {"$ref": {"block_document_id": ID}},
        {"$ref": ID},
    ]


def refused(kind: type[Block]) -> list[Any]:
    """Return objects that are no reference, or that have something else in them."""
    reference = forms(kind)[0]
    return [
        dict.fromkeys(kind.model_fields, SECRET),
        *({name: SECRET} for name in kind.model_fields),
        {"block_type_slug": kind.get_block_type_slug(), "token": SECRET},
        {},
        SECRET,
        {**reference, "token": SECRET},
        {"$ref": {"block_document_id": ID}, "token": SECRET},
        {"$ref": ID, "token": SECRET},
        {"$ref": {**reference["$ref"], "token": SECRET}},
        {"$ref": {"token": SECRET}},
        {"$ref": {"block_document_slug": SECRET}},
        {"$ref": {}},
        {"$ref": SECRET},
    ]


def own(*kinds: type[Block]) -> Flow[..., Any]:
    """Return a user's own flow with a parameter of each shape for each block."""

    def own(**_: Any) -> None: ...

    own.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                f"{shape}_{number}", inspect.Parameter.KEYWORD_ONLY, annotation=annotation(kind)
            )
            for number, kind in enumerate(kinds)
            for shape, (annotation, _) in SHAPES.items()
        ]
    )
    return flow(own)


def given_to_own(kinds: tuple[type[Block], ...], form: int) -> dict[str, Any]:
    """Return references as all parameters of that flow.

    Args:
        kinds: The blocks.
        form: The number of a form.
    """
    return {
        f"{shape}_{number}": value(forms(kind)[form])
        for number, kind in enumerate(kinds)
        for shape, (_, value) in SHAPES.items()
    }


def assert_taken(schema: dict[str, Any], values: dict[str, Any]) -> None:
    validate_values_conform_to_schema(values, schema, ignore_required=True)
    validate(values, schema, raise_on_error=True)


def assert_refused(schema: dict[str, Any], values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Validation failed"):
        validate_values_conform_to_schema(values, schema, ignore_required=True)
    with pytest.raises(ValidationError):
        validate(values, schema, raise_on_error=True, ignore_required=True)


def credentials_of(of: Flow[..., Any]) -> dict[str, Any]:
    """Return the schema of the parameter `credentials` alone: the validators check all of it."""
    whole = of.parameters.model_dump()
    definitions = whole["definitions"].items()
    return {
        "type": "object",
        "properties": {"credentials": whole["properties"]["credentials"]},
        "definitions": {key: one for key, one in definitions if "block_type_slug" in one},
    }


@pytest.mark.parametrize("of", FLOWS, ids=lambda of: of.name)
def test_each_flow_takes_references_to_each_block_only(of: Flow[..., Any]) -> None:
    schema = credentials_of(of)
    assert len(KINDS) == 7
    every = [form for kind in KINDS for form in forms(kind)]
    for value in (*every[:3], every, None):
        assert_taken(schema, {"credentials": value})
    for kind in KINDS:
        assert_refused(schema, {"credentials": refused(kind)[0]})
    assert_refused(schema, {"credentials": [every[0], {"token": SECRET}]})


@pytest.mark.parametrize("kind", OUR_BLOCKS, ids=lambda kind: kind.__name__)
def test_own_flow_takes_references_only(kind: type[Block]) -> None:
    schema = own(kind).parameters.model_dump()
    for form in range(3):
        assert_taken(schema, given_to_own((kind,), form))
    assert_taken(schema, given_to_own((kind,), 0) | {"optional_0": None})
    for shape, (_, value) in SHAPES.items():
        for one in refused(kind)[: None if shape == "block" else 1]:
            assert_refused(schema, {f"{shape}_0": value(one)})


def test_schema_of_a_block_type_has_all_fields() -> None:
    for kind in OUR_BLOCKS:
        assert own(kind).parameters.definitions
        schema = kind.model_json_schema()
        assert list(schema["properties"]) == list(kind.model_fields)
        assert schema["title"] == kind.__name__
        assert "patternProperties" not in schema


def test_run_form_knows_the_type_of_saved_blocks() -> None:
    definitions: dict[str, Any] = flows.download_item.parameters.definitions or {}
    found = {
        definition["block_type_slug"]: definition["title"].strip()
        for definition in definitions.values()
        if "block_type_slug" in definition
    }
    assert found == {kind.get_block_type_slug(): kind.__name__ for kind in KINDS}


def test_block_within_a_block_keeps_its_checksum() -> None:
    class Parent(Block):
        creds: HttpCredentials

    references = Parent.model_json_schema()["block_schema_references"]
    assert references["creds"] == {
        "block_type_slug": "http-credentials",
        "block_schema_checksum": HttpCredentials._calculate_schema_checksum(),
    }
