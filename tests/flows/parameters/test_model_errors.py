"""Errors of options, searches, budgets and approvals that a caller creates with invalid values."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_stac_asset import ApproveAbove, Budget, DownloadOptions, Search
from stac_asset import ConfigError


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        (
            DownloadOptions,
            {"include": "red, nir"},
            "`include` must be a list, not a string. Write ['red', 'nir'].",
        ),
        (DownloadOptions, {"budgets": "x"}, "`budgets` must be a list. Pass a list."),
        (
            DownloadOptions,
            {"http_max_attempts": "many"},
            "`http_max_attempts` is not valid: Input should be a valid integer, unable to parse "
            "string as an integer. Correct the value.",
        ),
        (DownloadOptions, {"inclde": []}, "`inclde` is unknown. The nearest name is `include`."),
        (
            DownloadOptions,
            {"earthdata_token": "hidden"},
            "`earthdata_token` is a secret, and Prefect stores options in plain text. Save a "
            "credential block, and pass the block to the flow.",
        ),
        (
            DownloadOptions,
            {"budgets": [{"name": "a", "bandwidth": 1}]},
            "`budgets.0.hosts` is missing. Pass a value.",
        ),
        (
            Budget,
            {"name": "a", "hosts": ["example.com"]},
            "a budget needs a limit: set at least one of `bytes_per_30_days`, "
            "`requests_per_minute`, `bandwidth`",
        ),
        (
            Budget,
            {"name": "a", "hosts": ["http://a/b"]},
            "`hosts`: 'http://a/b' is not a host pattern. Use example.com, *.example.com or "
            "http://example.com:8080.",
        ),
        (
            Search,
            {"collections": "sentinel-2-l2a"},
            "`collections` must be a list, not a string. Write ['sentinel-2-l2a'].",
        ),
        (
            Budget,
            {"name": "a", "hosts": "example.com", "bandwidth": 1},
            "`hosts` must be a list, not a string. Write ['example.com'].",
        ),
        (
            Search,
            {"filter": 1},
            "`filter` is not valid: Input should be a valid string or a valid dictionary. Correct "
            "the value.",
        ),
        (
            ApproveAbove,
            {"bytes": -1},
            "`bytes` is not valid: Input should be greater than or equal to 0. Correct the value.",
        ),
    ],
)
def test_invalid_value_raises_an_error_of_one_line_that_names_the_field(
    kind: Any, fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(**fields)
    assert str(caught.value) == text
    assert caught.value.__context__ is None
