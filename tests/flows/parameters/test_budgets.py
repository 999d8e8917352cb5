"""The option `budgets`: validation, the run form, and stored values."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from prefect_stac_asset.flows import Budget, DownloadOptions, download_item
from prefect_stac_asset.flows.parameters.validation import validated_parameters

VALID = {"name": "copernicus", "hosts": ["*.dataspace.copernicus.eu"], "bandwidth": 1}


def validate(budgets: object) -> list[Budget]:
    parameters = {"source": "a", "directory": "b", "options": {"budgets": budgets}}
    found = validated_parameters(download_item.fn, parameters)["options"].budgets
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"bandwidth": None},
            "0: a budget needs a limit: set at least one of `bytes_per_30_days`, "
            "`requests_per_minute`, `bandwidth`",
        ),
        ({"bandwidth": 0}, "0.bandwidth: Input should be greater than or equal to 1"),
        (
            {"requests_per_minute": -1},
            "0.requests_per_minute: Input should be greater than or equal to 1",
        ),
        (
            {"bytes_per_30_days": 0},
            "0.bytes_per_30_days: Input should be greater than or equal to 1",
        ),
        ({"hosts": []}, "0.hosts: a budget needs hosts: add at least one, such as `*.example.com`"),
        (
            {"hosts": ["https://a.eu/secret"]},
            "0.hosts: 'https://a.eu/secret' is not a host pattern. Use example.com, *.example.com "
            "or http://example.com:8080.",
        ),
        (
            {"bandwith": 5},
            "0.bandwith: unknown parameter. The nearest name is `bandwidth`",
        ),
        ({"name": "Two Words"}, "0.name: String should match pattern '^[a-z0-9_-]{1,60}$'"),
    ],
)
def test_invalid_budget_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ParameterTypeError) as error:
        validate([VALID | change])
    text = f"Invalid parameters for download_item: options.budgets.{reason}"
    assert str(error.value) == text


def test_two_budgets_of_a_name_are_refused() -> None:
    with pytest.raises(ParameterTypeError, match="two budgets have the name 'copernicus'"):
        validate([VALID, VALID | {"bandwidth": 2}])


def test_budgets_survive_storage() -> None:
    [budget] = validate([VALID])
    assert budget.hosts == ("*.dataspace.copernicus.eu",)
    options = DownloadOptions(budgets=[budget])
    assert DownloadOptions(**options.model_dump(mode="json")) == options
    assert pickle.loads(pickle.dumps(options)) == options


def test_run_form_shows_the_fields_of_a_budget() -> None:
    schema = DownloadOptions.model_json_schema()
    assert schema["properties"]["budgets"]["items"] == {"$ref": "#/$defs/Budget"}
    budget = schema["$defs"]["Budget"]
    assert list(budget["properties"]) == [
        "name",
        "hosts",
        "bytes_per_30_days",
        "requests_per_minute",
        "bandwidth",
    ]
    assert budget["required"] == ["name", "hosts"]
    assert budget["additionalProperties"] is False
    assert all(field["title"] for field in budget["properties"].values())
