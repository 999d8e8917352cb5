"""Run form schema of every flow: titles, descriptions, hidden options and misspelt names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import ValidationError, validate
from pydantic import ValidationError as ModelError

from prefect_stac_asset import flows
from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from prefect_stac_asset.deployments.runner_deployments import deployments
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.parameters.form import NEVER_EFFECTIVE, TITLES
from prefect_stac_asset.flows.parameters.misspellings import misspelling_patterns

FLOWS = [flows.check_assets, *(deployment.flow() for deployment in read_deployments())]
DOWNLOADS = [one for one in FLOWS if one.name != "end-crashed-runs"]
"""Flows with options of a download."""

AnyFlow = Flow[..., Any]


@cache
def schema_of(flow: AnyFlow) -> dict[str, Any]:
    found: dict[str, Any] = parameter_schema(flow).model_dump()
    return found


def options_schema(flow: AnyFlow) -> dict[str, Any]:
    found: dict[str, Any] = schema_of(flow)["definitions"]["DownloadOptions"]
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


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_field_has_title_and_description(flow: AnyFlow) -> None:
    schema = schema_of(flow)
    form_fields = list(fields(schema, schema["definitions"]))
    assert len(form_fields) > (30 if flow in DOWNLOADS else 0)
    for name, field in form_fields:
        title, description = field.get("title", ""), field.get("description", "")
        assert title[:1].isupper(), name
        assert "_" not in title, name
        assert title != name.replace("_", " ").title() or "_" not in name, name
        assert len(description) > 10, name
        assert not re.search(r":class:|`self|pystac\.", description), name


@pytest.mark.parametrize("flow", DOWNLOADS, ids=lambda flow: flow.name)
def test_form_has_one_field_for_each_option_with_an_effect(flow: AnyFlow) -> None:
    schema = schema_of(flow)
    assert len(schema["properties"]) <= 14
    options = schema["properties"]["options"]
    assert {"type": "null"} in options["anyOf"]
    assert options["default"] is None
    inside = options_schema(flow)["properties"]
    assert [name for name in TITLES if name in inside] == [
        name for name in inside if name in TITLES
    ]
    # Some databases do not keep the order of keys.
    assert [field["position"] for field in inside.values()] == list(range(len(inside)))
    hidden = DownloadOptions.model_fields.keys() - inside.keys()
    if flow.name.startswith("download-"):
        assert hidden == NEVER_EFFECTIVE
    without_effect = {
        "sync": {"write_checksums", "check_first"},
        "verify": {"include", "overwrite", "check_first", "lineage", "lineage_owners"},
        "check-assets": {"overwrite", "fsync", "write_checksums", "check_first"},
    }
    assert without_effect.get(flow.name, set()) <= hidden


def test_every_option_has_title_and_description() -> None:
    assert len(set(TITLES.values())) == len(TITLES)
    assert TITLES.keys() <= DownloadOptions.model_fields.keys() - NEVER_EFFECTIVE
    for name, field in DownloadOptions.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("flow", DOWNLOADS, ids=lambda flow: flow.name)
def test_options_without_effect_are_accepted(flow: AnyFlow) -> None:
    """Callers share options among flows, and Python sends all fields of the model."""
    given = DownloadOptions(write_checksums=True, overwrite=True).model_dump(mode="json")
    validate({"options": given}, schema_of(flow), raise_on_error=True, ignore_required=True)


def test_sync_refuses_check_first_without_a_run() -> None:
    with pytest.raises(ValidationError, match="False was expected"):
        validate(
            {"options": {"check_first": True}},
            schema_of(flows.sync),
            raise_on_error=True,
            ignore_required=True,
        )


def validate_options(options: dict[str, Any]) -> None:
    """Validate options as the server does before creating a flow run."""
    values = {"source": "https://example.com/item.json", "directory": "x", "options": options}
    validate(values, schema_of(flows.download_item), raise_on_error=True)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": {"retry_wait": 3.0}, "rare": None, "overwrite": True},
        {"retry_wait": 3.0, "overwrite": True},
        DownloadOptions(retry_wait=3.0, overwrite=True).model_dump(mode="json"),
    ],
    ids=["form of an earlier version", "flat", "from Python"],
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


def typos(name: str) -> Iterator[str]:
    """Yield misspelt names: a character is wrong, missing, additional or swapped."""
    for at in range(len(name) + 1):
        yield f"{name[:at]}y{name[at:]}"
        yield name[:at] + name[at + 1 :]
        yield f"{name[:at]}y{name[at + 1 :]}"
        yield name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]


NAMES = {model.__name__: tuple(model.model_fields) for model in (DownloadOptions, Search)}
NAMES |= {flow.name: tuple(inspect.signature(flow.fn).parameters) for flow in DOWNLOADS}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_misspelt_name_matches_one_pattern(names: tuple[str, ...]) -> None:
    patterns = {
        re.compile(pattern): schema["const"]
        for pattern, schema in misspelling_patterns(names).items()
    }
    wrong = 0
    for name in names:
        assert not any(pattern.search(name) for pattern in patterns), name
        if len(name) < 4:
            continue
        for typo in set(typos(name)) - set(names):
            found = [known for pattern, known in patterns.items() if pattern.search(typo)]
            assert len(found) == 1, (typo, found)
            wrong += found != [name]
    # Pairs such as 'include' and 'exclude', or 'destination_acl' and 'destination_tags'.
    assert wrong < 20


@pytest.mark.parametrize(
    ("flow", "parameters", "answer"),
    [
        (
            flows.download_item,
            {"options": {"overwritte": True}},
            "'options.overwritte'. Failure reason: 'overwrite' was expected",
        ),
        (
            flows.sync,
            {"search": {"filtre": "secret < 20"}},
            "'search.filtre'. Failure reason: 'filter' was expected",
        ),
    ],
)
def test_server_answers_misspelt_option_with_nearest_name(
    flow: AnyFlow, parameters: dict[str, Any], answer: str
) -> None:
    schema = schema_of(flow)
    with pytest.raises(ValidationError) as caught:
        validate(parameters, schema, raise_on_error=True, ignore_required=True)
    assert answer in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(ParameterTypeError) as refused:
        flow.validate_parameters({"source": "x", "directory": "y", **parameters})
    assert "unknown parameter. The nearest name is `" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.fixture(scope="module")
def listed_deployments() -> dict[str, RunnerDeployment]:
    """Deployments of `prefect.yaml`, by name of the flow."""
    return {one.flow_name: one for one in deployments()}


@pytest.mark.parametrize("flow", DOWNLOADS, ids=lambda flow: flow.name)
async def test_server_refuses_unknown_parameters_of_deployments(
    flow: AnyFlow, listed_deployments: dict[str, RunnerDeployment]
) -> None:
    listed = listed_deployments.get(flow.name)
    made: Any = [await flow.to_deployment("a"), await flow.ato_deployment("a"), listed]  # type: ignore[misc]
    first, *others = [
        one._parameter_openapi_schema.model_dump(exclude_unset=True) for one in made if one
    ]
    assert all(one == first for one in others)

    def answer(name: str) -> str:
        with pytest.raises(ValidationError) as caught:
            validate({name: "secret"}, first, raise_on_error=True, ignore_required=True)
        return str(caught.value).removeprefix(f"Validation failed for field '{name}'. ")

    names = tuple(inspect.signature(flow.fn).parameters)
    expected = f"Failure reason: 'one of {', '.join(names)}' was expected"
    assert answer("unknown") == expected
    assert answer("optons") == "Failure reason: 'options' was expected"
    if listed is not None:
        validate(listed.parameters, first, raise_on_error=True, ignore_required=True)
