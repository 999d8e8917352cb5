"""Names of task runs."""

from __future__ import annotations

import pytest

from prefect_stac_asset.flows.execution.run_names import client_name


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/", "client for local files"),
        ("file:///data/a.tif", "client for local files"),
        ("https://example.com/", "client for https://example.com/"),
        (None, "client for an href"),
    ],
)
def test_run_of_resolve_client_is_named_by_the_source(href: object, expected: str) -> None:
    assert client_name({"href": href}) == expected
