"""Checks of the parameters of a deployment that an automation runs for each item."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from prefect_stac_asset.deployments.item_parameters import item_parameters
from stac_asset.errors import ConfigError


def templates(function: Callable[..., Any], **stored: Any) -> dict[str, Any]:
    schema = parameter_schema(function).model_dump_for_openapi()
    return item_parameters("a/b", schema, stored)


def test_flow_receives_parameters_that_it_declares() -> None:
    def chosen(paths: dict[str, Path], document: str | None = None, level: int = 3) -> None: ...

    found = templates(chosen)
    assert set(found) == {"document", "paths"}
    assert found["paths"]["__prefect_kind"] == "json"
    assert found["paths"]["value"]["template"] == "{{ event.payload.paths | tojson }}"


def test_stored_parameters_satisfy_required_parameters() -> None:
    def filed(item_id: str, level: int) -> None: ...

    assert set(templates(filed, level=3)) == {"item_id"}
    with pytest.raises(ConfigError, match="'a/b' requires the parameter `level`, which"):
        templates(filed)


def test_flow_without_parameters_of_an_item_is_refused() -> None:
    def other(source: str = "") -> None: ...

    with pytest.raises(
        ConfigError, match=r"'a/b' has none of the parameters `item_id`, .* and `paths`"
    ):
        templates(other)
    with pytest.raises(ConfigError, match="none of the parameters"):
        item_parameters("a/b", None, {})


def test_parameter_of_another_type_is_refused() -> None:
    def listed(item_id: str, paths: list[str]) -> None: ...

    with pytest.raises(ConfigError, match=r"`paths` of deployment 'a/b' .* `dict\[str, str\]`"):
        templates(listed)
