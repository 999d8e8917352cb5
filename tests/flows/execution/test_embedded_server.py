"""The server that Prefect starts for a flow of a user, if no server is configured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.support.paths import ROOT

_QUIET = """
import os
import sys

from prefect_stac_asset.flows import download_item, sync

assert "prefect.server.api.server" not in sys.modules
download_item.name, sync.name
from prefect.server.api.server import SubprocessASGIServer

assert not [one for one in sys.meta_path if type(one).__name__ == "_ServerFinder"]
server = SubprocessASGIServer()
assert type(server).__name__ == "QuietServer", type(server)
server.port = 1
sys.executable = sys.argv[1]
for variables in ({}, {"PREFECT_SERVER_LOGGING_LEVEL": "DEBUG"}):
    os.environ.update(variables)
    assert server._run_uvicorn_command().wait() == 0
"""
"""Prints the environment of the server that a flow of a user would start.

The second environment is that of a user who sets the level. The import of the server takes seconds.
"""

_CONFIGURED = """
import os
import sys

before = dict(os.environ)

from prefect_stac_asset.flows import download_item, sync

download_item.name, sync.name
assert "prefect.server.api.server" not in sys.modules
assert dict(os.environ) == before
assert not [one for one in sys.meta_path if type(one).__name__ == "_ServerFinder"]
"""
"""Fails if the import of the flows would change the server of Prefect."""


def run_code(code: str, folder: Path, *arguments: str, **variables: str) -> str:
    """Run code without Prefect settings of the tests, and return the output."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "DO_NOT_TRACK"))
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**inherited, "PREFECT_HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_server_of_a_users_flow_is_quiet_unless_the_user_sets_the_level(tmp_path: Path) -> None:
    # Not the end of a value of the environment, such as a path.
    program, marker = tmp_path / "python", uuid4().hex
    program.write_text(f"#!/bin/sh\necho {marker}\nenv\n")
    program.chmod(0o755)
    _, *printed = run_code(_QUIET, tmp_path, str(program)).split(f"{marker}\n")
    found = [
        dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in printed
    ]
    for environment in found:
        assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
        assert environment["DO_NOT_TRACK"] == "1"
    levels = [environment["PREFECT_SERVER_LOGGING_LEVEL"] for environment in found]
    assert levels == ["CRITICAL", "DEBUG"]


def test_server_of_others_is_not_changed(tmp_path: Path) -> None:
    run_code(_CONFIGURED, tmp_path, PREFECT_API_URL="http://127.0.0.1:1/api")
