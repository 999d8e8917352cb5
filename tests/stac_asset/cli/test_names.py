"""Errors of the command line name options and variables, not parameters of the library."""

from __future__ import annotations

import pytest

from stac_asset.cli.names import as_typed
from stac_asset.testing import Origin
from tests.support.cli import read_single_error, run_command
from tests.support.items import make_item


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`client_override` 'x'", "`--client` 'x'"),
        ("Set `allow_local_hrefs=True`.", "Set `--allow-local-hrefs`."),
        ("Set `http_check_content_type=False`.", "Set `--no-http-check-content-type`."),
        ("Set `verify_existing=none`.", "Set `--verify-existing none`."),
        ("Set `make_directory=True`.", "Set `STAC_ASSET_MAKE_DIRECTORY=True`."),
        ("Write `include=['a', 'b c']`.", "Write `--include a --include 'b c'`."),
        ("`Config.earthdata_token`", "`STAC_ASSET_EARTHDATA_TOKEN`"),
        ("`http_headers.Accept` is", "`--header Accept` is"),
        ("`http_headers_hosts`: 'x'", "`--header-host`: 'x'"),
        ("`path_template` and `file_name`", "`--path-template` and `--file-name`"),
        ("`directory` is empty", "`DIRECTORY` is empty"),
        ("`max_items` and `search.page_size`", "`--max-items` and `--page-size`"),
        ("`max_concurrent_downloads`", "`--max-concurrent-downloads`"),
        ("`features` of `pip install x`", "`features` of `pip install x`"),
    ],
)
def test_parameters_are_replaced_by_options(text: str, expected: str) -> None:
    assert as_typed(text) == expected


def test_variable_is_named_if_the_option_is_not_given(
    monkeypatch: pytest.MonkeyPatch, origin: Origin
) -> None:
    monkeypatch.setenv("STAC_ASSET_CLIENT_OVERRIDE", "nonsense")
    href = make_item(origin, "a")
    line = read_single_error(run_command("plan", href, "data"), 2)
    assert line.startswith("error: `STAC_ASSET_CLIENT_OVERRIDE` 'nonsense' is not a known client.")
    line = read_single_error(run_command("plan", href, "data", "--client=other"), 2)
    assert line.startswith("error: `--client` 'other' is not a known client.")


def test_unknown_variable_and_empty_directory_are_refused(
    monkeypatch: pytest.MonkeyPatch, origin: Origin
) -> None:
    href = make_item(origin, "a")
    line = read_single_error(run_command("download", href, ""))
    assert line.startswith("error: `DIRECTORY` is empty. Set `DIRECTORY` to a path")
    monkeypatch.setenv("STAC_ASSET_INCLUDES", "a")
    line = read_single_error(run_command("download", href, "data"), 2)
    assert "The nearest name is `STAC_ASSET_INCLUDE`" in line
    assert origin.requests == []
