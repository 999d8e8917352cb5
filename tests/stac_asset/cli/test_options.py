"""Options of the commands, and precedence over environment variables."""

from __future__ import annotations

from pathlib import Path

import pystac
import pytest

from stac_asset.testing import Origin, Status
from tests.support.cli import read_single_error, run_command
from tests.support.items import item_document, make_item


def test_options_set_configuration(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a", "b", "c")
    mirror = origin.href("/mirror/a.tif")
    document["assets"]["a"]["alternate"] = {"mirror": {"href": mirror}}
    options = ["-i", "a", "-i", "b", "-a", "mirror", "-f", "key", "-k", "--write-checksums"]
    options += ["-H", "X-Key: a:b", "--file-name", "new.json"]
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
    assert run_command("download", "-", tmp_path, document=document).output.split()[1] == "2"
    result = run_command("download", "-", tmp_path, "-i", "c", "-i", "a", document=document)
    assert result.output.split()[1] == "2"
    assert "2 downloaded" in result.output
    result = run_command("download", "-", tmp_path, "--no-overwrite", document=document)
    assert "0 downloaded (0 bytes), 2 skipped" in result.output


def test_contradictory_or_invalid_options_are_rejected(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    href = make_item(origin, "a")
    assert "`--include` and `--exclude`" in read_single_error(
        run_command("download", href, "-i", "a", "-x", "b")
    )
    assert "`--warn` and `--fail-fast`" in read_single_error(
        run_command("download", href, "--warn", "--fail-fast")
    )
    line = read_single_error(run_command("download", href, "-t", "${id}"))
    assert f"`--path-template` is only for item collections, and '{href}' is not" in line
    line = read_single_error(run_command("download", href, "--client", "nonsense"))
    assert line.startswith("error: `--client` 'nonsense' is not a known client. Set `--client` to ")
    monkeypatch.setenv("STAC_ASSET_S3_MAX_ATTEMPTS", "many")
    assert "STAC_ASSET_S3_MAX_ATTEMPTS" in read_single_error(run_command("download", href))
    assert list(tmp_path.iterdir()) == []


def test_usage_error_exits_with_code_2() -> None:
    for arguments in (["nonsense"], ["download"], ["download", "x", "--nonsense"]):
        result = run_command(*arguments)
        assert (result.code, result.output) == (2, "")
        assert result.errors.startswith("Usage: ")
    result = run_command("download", "x", "-H", "hunter2")
    assert result.code == 2
    assert "Write 'Name: value'." in result.errors
    assert "hunter2" not in result.errors
