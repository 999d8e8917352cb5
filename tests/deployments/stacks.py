"""All of `make up` for tests, in a folder of its own, on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).parents[2]


def deployments(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m deployments`, which is what `make up` and `make down` run."""
    others = ("PREFECT_", "PORT", "DATABASE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return subprocess.run(
        [sys.executable, "-m", "deployments", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Running:
    """What runs."""

    folder: Path
    port: int
    printed: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Prefect's own command line against this server."""
        environment = {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_HOME": str(self.folder)}
        return subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
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
def running_stack(folder: Path, **environment: str) -> Iterator[Running]:
    """Starts everything, and ends it.

    Args:
        folder: Where everything of it is.
        environment: More environment variables.
    """
    port = free_port()
    try:
        done = deployments("up", "--folder", str(folder), PORT=str(port), **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Running(folder, port, done.stdout)
    finally:
        deployments("down", "--folder", str(folder))
