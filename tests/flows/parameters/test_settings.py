"""Options from Prefect's settings `PREFECT_INTEGRATIONS_STAC_ASSET_…`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.parameters.settings import PREFIX, read_settings, with_settings
from prefect_stac_asset.flows.parameters.validation import refused_options
from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.testing import Origin
from tests.support.items import make_item


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    path = tmp_path / "folder"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)


def test_without_settings_options_are_unchanged() -> None:
    options = DownloadOptions(include=["a"])
    assert with_settings(options) is options
    assert with_settings(None) is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("include", "a,b", ["a", "b"]),
        ("include", '["a"]', ["a"]),
        ("http_max_attempts", "9", 9),
        ("error_strategy", "delete", "DELETE"),
        ("lineage", "true", True),
        ("lineage_owners", "team, person", ["team", "person"]),
        ("host_connections", '{"example.com": 2}', {"example.com": 2}),
    ],
)
def test_variable_sets_an_option(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, **{name: text})
    for options in (None, DownloadOptions(overwrite=True)):
        effective: Any = with_settings(options)
        assert getattr(effective, name) == value
        assert effective.overwrite == (options is not None)


def test_option_of_the_run_precedes_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, include="a", http_max_attempts="9")
    # A default that the run sets counts too.
    given = DownloadOptions(include=["b"], http_max_attempts=Config().http_max_attempts)
    assert with_settings(given) == given


def test_environment_precedes_the_files_of_prefect(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "prefect.toml").write_text(
        "[integrations.stac_asset]\nhttp_max_attempts = 3\ninclude = ['a']\n"
    )
    (folder / "pyproject.toml").write_text(
        "[tool.prefect.integrations.stac_asset]\nhttp_max_attempts = 4\nretries = 2\n"
    )
    assert read_settings() == {"http_max_attempts": 3, "include": ["a"], "retries": 2}
    set_variables(monkeypatch, http_max_attempts="9")
    assert read_settings()["http_max_attempts"] == 9


def test_dotenv_file_is_read(folder: Path) -> None:
    (folder / ".env").write_text(f"{PREFIX}INCLUDE=a,b\n")
    assert read_settings() == {"include": ["a", "b"]}


def test_library_reads_its_own_variables_and_flows_those_of_prefect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_variables(monkeypatch, include="of-prefect")
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "of-the-library")
    assert Config.from_env().include == ["of-the-library"]
    effective: Any = with_settings(None)
    assert effective.include == ["of-prefect"]


def test_empty_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, http_max_attempts="", nothing="")
    assert read_settings() == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("includes", "The nearest name is `PREFECT_INTEGRATIONS_STAC_ASSET_INCLUDE`."),
        ("earthdata_token", "For secrets, save a block."),
    ],
)
def test_unknown_variable_is_refused(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, **{name: "a-secret"})
    with pytest.raises(ConfigError) as raised:
        with_settings(None)
    assert f"Variable `{PREFIX}{name.upper()}` is not" in str(raised.value)
    assert message in str(raised.value)
    assert "a-secret" not in repr(raised.value)


@pytest.mark.parametrize("name", ["http_max_attempts", "host_connections", "lineage", "retries"])
def test_invalid_value_is_refused_without_the_value(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, **{name: "a-secret"})
    with pytest.raises(ConfigError, match=f"`{PREFIX}{name.upper()}` is not valid: ") as raised:
        with_settings(None)
    assert "a-secret" not in repr(raised.value)


def test_reason_of_an_invalid_value_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = {"name": "a", "hosts": ["http://a/b"], "bandwidth": 1}
    set_variables(monkeypatch, budgets=json.dumps([budget]))
    with pytest.raises(ConfigError, match=r"'http://a/b' .*[^.]\. Correct the setting\.$"):
        with_settings(None)


def test_setting_that_a_flow_refuses_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, check_first="true")
    refused = refused_options(flows.sync.fn)
    assert refused == {"check_first"}
    assert with_settings(None, refused) is None
    effective: Any = with_settings(None, refused_options(flows.download_item.fn))
    assert effective.check_first is True


def test_options_schema_does_not_depend_on_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    before = flows.download_item.parameters.model_dump_json()
    set_variables(monkeypatch, include="a-value-of-this-machine")
    assert flows.download_item.parameters.model_dump_json() == before
    assert "a-value-of-this-machine" not in before


async def test_run_uses_the_settings_and_reports_them(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_item(origin, "a", "b")
    set_variables(monkeypatch, include="a")
    result = await flows.download_item(source, str(tmp_path / "out"))
    assert [row["key"] for row in result.rows()] == ["a"]
    assert f"Settings of Prefect set options of this run: {PREFIX}INCLUDE" in result.notices
