"""All of `make up` for tests, in a folder of its own, on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.server_logs import ServerLog, checked_log, troubles
from tests.servers import free_port

ROOT = Path(__file__).parents[2]


def deployments(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m prefect_stac_asset.deployments`, which is what `make up` and `make down` run."""
    others = ("PREFECT_", "PORT", "DATABASE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return _checked(
        [sys.executable, "-m", "prefect_stac_asset.deployments", *arguments],
        env={**kept, **environment},
    )


def _checked(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command that logs no error and prints no traceback, even where it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert troubles(done.stdout + "\n" + done.stderr) == []
    return done


@dataclass(frozen=True)
class Running:
    """What runs.

    Attributes:
        folder: Where everything of it is.
        port: Where its server listens.
        printed: What `up` printed.
        logs: Its logs by the names of their files, where tests announce the errors they provoke.
    """

    folder: Path
    port: int
    printed: str
    logs: dict[str, ServerLog]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Prefect's own command line against this server."""
        environment = {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_HOME": str(self.folder)}
        return _checked(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            env={**os.environ, **environment},
        )

    def processes(self) -> list[int]:
        """Returns the ids of all processes of this folder: server, worker, and flow runs."""
        mark = f"PREFECT_HOME={self.folder / 'prefect'}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # It has just ended, or is not ours.
            if mark in variables:
                found.append(int(folder.name))
        return found


@contextmanager
def running_stack(
    folder: Path, *provoked: str, file: Path = ROOT / "prefect.yaml", **environment: str
) -> Iterator[Running]:
    """Starts everything, ends it, and checks the logs of the server and the workers.

    Args:
        folder: Where everything of it is.
        provoked: Regular expressions for the errors that the test expects in the logs.
        file: The `prefect.yaml`.
        environment: More environment variables.
    """
    port = free_port()
    up = ("up", "--folder", str(folder), "--file", str(file))
    with ExitStack() as checks:
        try:
            done = deployments(*up, PORT=str(port), **environment)
            assert done.returncode == 0, done.stdout + done.stderr
            logs = {
                path.name: checks.enter_context(checked_log(path, *provoked))
                for path in folder.glob("*.log")
            }
            yield Running(folder, port, done.stdout, logs)
            later = set(folder.glob("*.log")) - {log.path for log in logs.values()}
        finally:
            deployments("down", "--folder", str(folder))
        for path in later:
            checks.enter_context(checked_log(path, *provoked))
