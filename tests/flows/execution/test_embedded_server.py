"""The server that Prefect starts for a flow of a user, if no server is configured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CODE = """
import sys

from prefect_stac_asset.flows import download_item, sync

assert "prefect.server.api.server" not in sys.modules
download_item.name, sync.name
from prefect.server.api.server import SubprocessASGIServer

assert not [one for one in sys.meta_path if type(one).__name__ == "_ServerFinder"]
server = SubprocessASGIServer()
assert type(server).__name__ == sys.argv[2], type(server)
server.port = 1
sys.executable = sys.argv[1]
assert server._run_uvicorn_command().wait() == 0
"""
"""Prints the environment of the server that a flow of a user would start."""


def server_environment(folder: Path, kind: str, **variables: str) -> dict[str, str]:
    """Return the environment variables with which a server would start."""
    program = folder / "python"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "DO_NOT_TRACK"))
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(program), kind],
        cwd=ROOT,
        env={**inherited, "PREFECT_HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@pytest.mark.parametrize("level", [None, "DEBUG"])
def test_server_of_a_users_flow_is_quiet_unless_the_user_sets_the_level(
    level: str | None, tmp_path: Path
) -> None:
    given = {"PREFECT_SERVER_LOGGING_LEVEL": level} if level else {}
    found = server_environment(tmp_path, "QuietServer", **given)
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert found["DO_NOT_TRACK"] == "1"
    assert found["PREFECT_SERVER_LOGGING_LEVEL"] == (level or "CRITICAL")


def test_server_of_others_is_not_changed(tmp_path: Path) -> None:
    url = {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
    found = server_environment(tmp_path, "SubprocessASGIServer", **url)
    assert "PREFECT_SERVER_ANALYTICS_ENABLED" not in found
