"""Options of the commands, and precedence over environment variables."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest

from stac_asset.cli.app import app
from stac_asset.cli.output import colored
from stac_asset.testing import Origin, Status
from tests.support.cli import read_single_error, run_command
from tests.support.items import item_document, make_item


def test_options_set_configuration(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a", "b", "c")
    mirror = origin.href("/mirror/a.tif")
    document["assets"]["a"]["alternate"] = {"mirror": {"href": mirror}}
    options = ["-i", "a", "-i", "b", "-a", "mirror", "--file-name-strategy", "key"]
    options += ["--write-checksums"]
    options += ["-H", "X-Key: a:b", "--http-header", "X-Other=c=d:e", "--keep-unselected"]
    options += ["-f", "new.json"]
    result = run_command("download", "-", tmp_path, *options, document=document)
    assert result.code == 0
    item = pystac.Item.from_file(tmp_path / "new.json")
    assert {key: asset.href for key, asset in item.assets.items()} == {
        "a": "./a.tif",
        "b": "./b.tif",
        "c": origin.href("/c.tif"),
    }
    assert item.assets["a"].extra_fields["file:checksum"].startswith("1220")
    assert {request.path for request in origin.gets()} == {"/mirror/a.tif", "/b.tif"}
    assert {request.headers["x-key"] for request in origin.requests} == {"a:b"}
    assert {request.headers["x-other"] for request in origin.requests} == {"c=d:e"}


def test_header_host_limits_hosts_that_receive_headers(origin: Origin, tmp_path: Path) -> None:
    options = ["-H", "X-Key: abc", "--header-host"]
    document = item_document(origin, "a")
    assert (
        run_command("download", "-", tmp_path, *options, "example.com", document=document).code == 0
    )
    assert all("x-key" not in request.headers for request in origin.requests)
    options += [origin.url, "--overwrite"]
    assert run_command("download", "-", tmp_path, *options, document=document).code == 0
    assert origin.gets()[-1].headers["x-key"] == "abc"


def test_limits_of_hosts_are_options(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, *(f"a{number}" for number in range(6)))
    origin.fault("/a0.tif", Status(429, headers={"Retry-After": "7"}), times=0)
    options = ["--max-connections-per-host", "2", "--host-connections", "127.0.0.1=1"]
    options += ["--host-wait-max", "5", "--warn"]
    result = run_command("download", "-", tmp_path, *options, document=document)
    assert "exceeds `--host-wait-max` (5 seconds)" in result.errors
    assert len(origin.gets()) == 1


@pytest.mark.parametrize("value", ["example.com", "=4", "example.com=0", "example.com=many"])
def test_invalid_connections_of_a_host_are_usage_errors(value: str) -> None:
    result = run_command("download", "x", "--host-connections", value)
    assert result.code == 2
    assert f"'{value}' is not a host and a number. Write for example 'example.com=8'." in (
        " ".join(result.errors.split())
    )


def test_options_override_environment_variables(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "a,b")
    monkeypatch.setenv("STAC_ASSET_OVERWRITE", "1")
    document = item_document(origin, "a", "b", "c")
    assert "2 downloaded" in run_command("download", "-", tmp_path, document=document).errors
    result = run_command("download", "-", tmp_path, "-i", "c", "-i", "a", document=document)
    assert "2 downloaded" in result.errors
    result = run_command("download", "-", tmp_path, "--no-overwrite", document=document)
    assert "0 downloaded (0 bytes), 2 skipped" in result.errors


def test_contradictory_or_invalid_options_are_rejected(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    href = make_item(origin, "a")
    assert "`--include` and `--exclude`" in read_single_error(
        run_command("download", href, "-i", "a", "-x", "b"), 2
    )
    assert "`--warn` and `--fail-fast`" in read_single_error(
        run_command("download", href, "--warn", "--fail-fast"), 2
    )
    line = read_single_error(run_command("download", href, "-t", "${id}"), 2)
    assert f"`--path-template` is only for item collections, and '{href}' is not" in line
    line = read_single_error(run_command("download", href, "-c", "nonsense"), 2)
    assert line.startswith("error: `--client` 'nonsense' is not a known client. Set `--client` to ")
    monkeypatch.setenv("STAC_ASSET_S3_MAX_ATTEMPTS", "many")
    assert "STAC_ASSET_S3_MAX_ATTEMPTS" in read_single_error(run_command("download", href), 2)
    result = run_command("download", href, "-k", "--error-strategy", "delete")
    assert result.code == 2
    assert "--keep contradicts --error-strategy DELETE." in result.errors
    assert list(tmp_path.iterdir()) == []


def test_usage_error_exits_with_code_2() -> None:
    for arguments in (["nonsense"], ["download"], ["download", "x", "--nonsense"]):
        result = run_command(*arguments)
        assert (result.code, result.output) == (2, "")
        assert result.errors.startswith("Usage: ")
    result = run_command("download", "x", "-H", "hunter2")
    assert result.code == 2
    assert "Write 'Name: value' or 'Name=value'." in " ".join(result.errors.split())
    assert "hunter2" not in result.errors


OPTIONS_OF_STAC_ASSET = {
    "download": (
        "-c --client -p --path-template -a --alternate-assets -i --include -x --exclude -f "
        "--file-name -q --quiet --s3-requester-pays --s3-retry-mode --s3-max-attempts "
        "--http-max-attempts --http-timeout --http-header -k --keep --fail-fast --overwrite "
        "--max-concurrent-downloads --stream"
    ),
    "info": (
        "-a --alternate-assets --s3-requester-pays --s3-retry-mode --s3-max-attempts "
        "--http-max-attempts --http-timeout"
    ),
}
"""The options of the commands of stac-asset 0.4.8."""


@pytest.mark.parametrize("command", ["download", "info"])
def test_command_has_every_option_of_stac_asset(command: str) -> None:
    flags = {flag for option in app.commands[command].params for flag in option.opts}
    assert set(OPTIONS_OF_STAC_ASSET[command].split()) - flags == set()
    [href, *_] = app.commands[command].params
    assert (href.name, href.required) == ("href", False)


def test_command_line_of_stac_asset_has_the_same_effect(origin: Origin, tmp_path: Path) -> None:
    one, two = item_document(origin, "a", "b", "c", name="1"), item_document(origin, "b", name="2")
    one["assets"]["a"]["alternate"] = {"mirror": {"href": origin.href("/mirror/a.tif")}}
    origin.remove("/b.tif")
    items = json.dumps({"type": "FeatureCollection", "features": [one, two]}).encode()
    line = f"download {origin.put('/items.json', items)} out -c http -p ${{year}}/${{id}}"
    line += " -a mirror -i a -i b -f new.json -k --s3-requester-pays --s3-retry-mode standard"
    line += " --s3-max-attempts 2 --http-max-attempts 1 --http-timeout 60 --http-header X-Key=abc"
    line += " --overwrite --max-concurrent-downloads 2 --stream true"
    result = run_command("--verbosity", "INFO", *line.split())
    assert result.output == f"Output STAC JSON written to {tmp_path / 'out' / 'new.json'}\n"
    assert result.code == 1, "assets failed"
    first, second = json.loads((tmp_path / "out" / "new.json").read_bytes())["features"]
    assert {key: asset["href"] for key, asset in first["assets"].items()} == {
        "a": "./2026/1/a.tif",
        "b": origin.href("/b.tif"),
    }
    assert list(second["assets"]) == ["b"]
    assert {request.headers["x-key"] for request in origin.requests} == {"abc"}
    assert {request.path for request in origin.gets("*.tif")} == {"/mirror/a.tif", "/b.tif"}


@pytest.mark.parametrize("value", ["X-Key", "=x", ": x", "", " "])
def test_header_without_name_or_separator_is_a_usage_error(value: str) -> None:
    assert run_command("config", "--http-header", value).code == 2


def test_color_is_used_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colored("error:", "red") == "\x1b[31merror:\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert colored("error:", "red") == "error:"
