"""The commands `config` and `doctor`."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from stac_asset.cli.doctor.findings import Finding, Level
from tests.support.cli import run_command

SECRET = "top-secret"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Yield the working directory of a machine without settings and credentials."""
    for name in ("EARTHDATA_PAT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):  # Of the server of other tests.
        yield tmp_path


def run(*arguments: str) -> tuple[int, Any, str]:
    """Return the exit code, the JSON and the text of a command with `--json`."""
    done = run_command(*arguments, "--json")
    return done.code, json.loads(done.output), done.output + done.errors


def findings(*arguments: str) -> dict[str, dict[str, str]]:
    """Return the findings of `doctor` by check."""
    return {finding["check"]: finding for finding in run("doctor", *arguments)[1]}


def test_config_shows_where_each_value_comes_from(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAC_ASSET_WARN", "true")
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "B08")
    (machine / ".env").write_text("STAC_ASSET_OVERWRITE=true\nSTAC_ASSET_WARN=false\n")
    code, shown, _ = run("config", "-i", "B04")
    assert code == 0
    assert shown["include"] == {"value": ["B04"], "source": "command line"}
    expected = {"value": True, "source": "environment variable STAC_ASSET_WARN"}
    assert shown["warn"] == expected
    assert shown["overwrite"]["source"] == "STAC_ASSET_OVERWRITE in the file .env"
    assert shown["file_name_strategy"] == {"value": "FILE_NAME", "source": "default"}


def test_config_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", SECRET)
    monkeypatch.setenv("STAC_ASSET_HTTP_HEADERS", json.dumps({"Authorization": SECRET}))
    monkeypatch.setenv("STAC_ASSET_HTTP_HEADERS_HOSTS", "example.com")
    _, shown, text = run("config")
    assert SECRET not in text
    source = "environment variable EARTHDATA_PAT"
    assert shown["earthdata_token"] == {"value": "(secret)", "source": source}
    assert shown["oauth2_password"]["value"] is None


def test_config_prints_a_table() -> None:
    done = run_command("config")
    assert done.code == 0
    [line] = [line for line in done.output.splitlines() if line.startswith("error_strategy ")]
    assert line.split() == ["error_strategy", "DELETE", "default"]


def test_doctor_finds_no_problem_on_a_machine_without_settings() -> None:
    code, found, _ = run("doctor", "data")
    assert code == 0
    levels = {finding["check"]: finding["level"] for finding in found}
    assert levels["versions"] == levels["packages"] == levels["destination"] == "ok"
    assert levels["S3"] == levels["NASA Earthdata"] == levels["Prefect server"] == "note"
    assert all(finding["cure"] for finding in found if finding["level"] != "ok")


def test_doctor_names_the_credentials_that_it_found(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    login = f"machine urs.earthdata.nasa.gov login me password {SECRET}\n"
    (machine / "netrc").write_text(login)
    (machine / "netrc").chmod(0o600)
    monkeypatch.setenv("STAC_ASSET_PC_SUBSCRIPTION_KEY", SECRET)
    _, found, text = run("doctor")
    assert SECRET not in text
    texts = {finding["check"]: finding["text"] for finding in found}
    assert texts["S3"] == "Credentials are found: env."
    assert texts["NASA Earthdata"] == ".netrc has a login for urs.earthdata.nasa.gov."
    assert texts["Planetary Computer"] == "A subscription key is set."


def test_every_note_and_problem_has_a_cure() -> None:
    for level in (Level.NOTE, Level.PROBLEM):
        with pytest.raises(ValueError, match="The finding 'disk' has no cure"):
            Finding("disk", level, "The disk is full.")
    assert Finding("disk", Level.OK, "The disk has space.").cure == ""


def test_doctor_names_options_and_variables_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    found = findings()
    assert "`--s3-unsigned`" in found["S3"]["cure"]
    assert "`STAC_ASSET_PC_SUBSCRIPTION_KEY`" in found["Planetary Computer"]["cure"]
    assert "`STAC_ASSET_OAUTH2_GRANT`" in found["OAuth2"]["cure"]


def test_doctor_names_a_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUD", "B04")
    code, found, _ = run("doctor")
    [problem] = [finding for finding in found if finding["level"] == "problem"]
    assert code == 1
    assert problem["check"] == "configuration"
    assert "`STAC_ASSET_INCLUDE`" in problem["text"]


def test_doctor_reports_a_destination_that_cannot_be_written(machine: Path) -> None:
    (machine / "file").write_text("")
    found = findings(str(machine / "file" / "data"))["destination"]
    assert found["level"] == "problem"
    assert str(machine / "file") in found["text"]


def test_doctor_reports_a_netrc_that_cannot_be_read(machine: Path) -> None:
    (machine / "netrc").write_text(f"machine {SECRET} {SECRET} {SECRET}\n")
    found = findings()["NASA Earthdata"]
    assert found["level"] == "problem"
    assert SECRET not in found["text"]


def test_doctor_reports_few_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        found = findings()["open files"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found["level"] == "problem"
    assert "ulimit" in found["cure"]


def test_doctor_reports_a_folder_that_hides_the_library(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "stac_asset").mkdir()
    (machine / "stac_asset" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(machine))
    found = findings()["packages"]
    assert found["level"] == "problem"
    assert str(machine / "stac_asset") in found["text"]


def test_doctor_prints_one_line_per_finding_and_the_cure_below() -> None:
    done = run_command("doctor")
    assert "ok versions: prefect-stac-asset" in done.output
    assert (
        "-- NASA Earthdata: Neither a token nor a login is found.\n   Set EARTHDATA_PAT"
        in done.output
    )
