"""The systemd unit of the local server."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.local_stack.service import NAME, Service
from stac_asset.errors import ConfigError
from tests.support.deployments_cli import run_deployments_cli


def test_unit_starts_and_stops_the_stack(tmp_path: Path) -> None:
    service = Service(tmp_path / ".up", 4300, tmp_path, Path('/srv/my 100% "$file".yaml'))
    lines = dict(line.split("=", 1) for line in service.unit().splitlines() if "=" in line)
    command = f"{sys.executable} -m prefect_stac_asset.deployments"
    folder = f"--folder {tmp_path}/.up"
    assert lines["ExecStart"] == (
        f"{command} up --watch {folder} --port 4300 --file "
        r'"/srv/my 100%% \"$$file\".yaml"'
    )
    assert lines["ExecStop"] == f"{command} down {folder}"
    assert lines["Type"] == "exec"
    assert lines["EnvironmentFile"] == f"-{tmp_path}/.up/environment"
    assert lines["WorkingDirectory"] == str(tmp_path)
    assert lines["WantedBy"] == "default.target"


def test_print_writes_no_file_and_no_password(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    done = run_deployments_cli(
        "service", "--print", "--folder", str(folder), "--port", "4300",
        HOME=str(tmp_path), DATABASE="postgresql+asyncpg://u:password1@h/db",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"up --watch --folder {folder} --port 4300\n" in done.stdout
    assert "password1" not in done.stdout + done.stderr
    assert done.stderr == f"Write DATABASE=… to {folder}/environment, which the unit reads.\n"
    assert not list(tmp_path.iterdir())


def test_service_is_enabled_with_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script takes the place of systemctl, which containers do not have."""
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ntest ! -e {tmp_path}/broken\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    service = Service(tmp_path / "up", 4200, tmp_path)
    printed = "\n".join(service.install())
    unit = tmp_path / "config" / "systemd" / "user" / NAME
    assert unit.read_text() == service.unit()
    assert str(unit) in printed
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[1:] == ["--user daemon-reload", f"--user enable --now {NAME}"]
    (tmp_path / "broken").touch()
    with pytest.raises(ConfigError, match=r"`systemctl --user daemon-reload` failed: exit status"):
        service.install()
    monkeypatch.setenv("PATH", str(tmp_path / "config"))
    with pytest.raises(ConfigError, match=r"systemd is not available .* Use `--print`"):
        service.install()
