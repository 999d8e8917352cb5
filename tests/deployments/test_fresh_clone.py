"""A fresh clone, `make up` with an active schedule: a scheduled run completes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from stac_asset.testing import Origin
from tests.deployments.scheduling import INTERVAL, ScheduledMirror
from tests.deployments.stacks import ROOT, Running
from tests.server_logs import checked_log
from tests.servers import free_port

# Variables of the environment in which the tests run.
_OF_THE_TESTS = ("PREFECT_", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS", "PORT", "DATABASE", "VENV")


def clone(folder: Path) -> None:
    """Copies the files of the work tree that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in os.fsdecode(listed.stdout).split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def make_in(folder: Path, port: int) -> Callable[[str], str]:
    """Returns a function that runs `make` for a target and returns what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_TESTS)
    }

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


def processes_of(folder: Path) -> list[bytes]:
    """Returns the command lines of all processes whose program or files are in a folder."""
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
    clone(folder)
    mirror = ScheduledMirror("often", origin, tmp_path / "mirror")
    mirror.publish("item")
    mirror.write(folder / "prefect.yaml", INTERVAL)
    make = make_in(folder, port)
    logs = folder / ".up"
    with checked_log(logs / "server.log"), checked_log(logs / "worker-stac-asset.log"):
        try:
            stack = Running(logs, port, make("up"), {})
            assert f"the server at {stack.url}/api (Prefect " in stack.printed
            mirror.mirrored("item")
            mirror.completed(stack.url)
            mirror.rest(stack.url)
            assert any(os.fsencode(folder / ".venv") in one for one in processes_of(folder))
        finally:
            make("down")
    assert processes_of(folder) == []
    assert stack.processes() == []
