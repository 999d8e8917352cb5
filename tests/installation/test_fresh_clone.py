"""`make up` in a fresh clone, with an active schedule.

The environment of the clone contains the packages of the lock file, so that pip downloads none. pip
still reads the lock file, compares the versions, and fails if the file lacks a package. `make test`
downloads the packages of the larger lock file with the same options.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from stac_asset.testing import Origin
from tests.support.locked_packages import make_locked_environment
from tests.support.paths import ROOT
from tests.support.scheduled_mirror import INTERVAL, ScheduledMirror
from tests.support.server_logs import checked_log
from tests.support.servers import free_port
from tests.support.stacks import RunningStack

# Prefixes of environment variables that a user's shell does not have.
_TEST_VARIABLES = (
    "PREFECT_",
    "PYTHON",
    "VIRTUAL_ENV",
    "MAKE",
    "MFLAGS",
    "PORT",
    "DATABASE",
    "VENV",
)


def copy_tracked_files(folder: Path) -> None:
    """Copy the tracked files of the work tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in os.fsdecode(listed.stdout).split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def make_function(folder: Path, port: int) -> Callable[[str], str]:
    """Return a function that runs a `make` target and returns the output."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_TEST_VARIABLES)
    }
    environment["PIP_NO_COMPILE"] = "1"  # Python compiles the modules that are imported.

    def make(target: str) -> str:
        done = subprocess.run(
            ["make", target],
            cwd=folder,
            env={**environment, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return make


def commands_in(folder: Path) -> list[bytes]:
    """Return the command lines of processes with a path in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # The process has just ended.
        if os.fsencode(folder) in command:
            found.append(command)
    return found


def test_fresh_clone_completes_a_scheduled_run(origin: Origin, tmp_path: Path) -> None:
    folder, port = tmp_path / "clone", free_port()
    copy_tracked_files(folder)
    make_locked_environment(folder / ".venv", folder / "requirements.lock")
    mirror = ScheduledMirror("often", origin, tmp_path / "mirror")
    mirror.publish("item")
    # A run takes ten seconds of a core, as its processes are no forks. A single run is enough.
    mirror.write(folder / "prefect.yaml", {**INTERVAL, "interval": 60})
    make = make_function(folder, port)
    logs = folder / ".up"
    with checked_log(logs / "server.log"), checked_log(logs / "worker-stac-asset.log"):
        try:
            stack = RunningStack(logs, port, make("up"), {})
            assert f"the server at {stack.url}/api (Prefect " in stack.printed
            mirror.wait_for_file("item")
            mirror.wait_for_completed_runs(stack.url)
            mirror.pause(stack.url)
            assert any(os.fsencode(folder / ".venv") in command for command in commands_in(folder))
        finally:
            make("down")
    assert commands_in(folder) == []
    assert stack.processes() == []
