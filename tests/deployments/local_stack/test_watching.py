"""Restart of stopped processes by `up --watch`."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.local_stack.background import Background, StackError
from prefect_stac_asset.deployments.local_stack.stack import Stack
from prefect_stac_asset.deployments.local_stack.watching import watch

SLEEP = ["sleep", "600"]


class Recorded:
    """A stack whose first restart fails, and that `down` stops after the second restart."""

    def __init__(self) -> None:
        self.is_stopped = False
        self.starts = 0

    def dead_processes(self) -> list[str]:
        return ["worker-pool"]

    async def up(self, file: Path) -> AsyncIterator[str]:
        self.starts += 1
        if self.starts == 1:
            raise StackError("Port 4200 is already in use.")
        yield f"worker of {file}"
        self.is_stopped = True


async def test_dead_processes_are_started_again_until_down() -> None:
    stack = Recorded()
    assert [line async for line in watch(stack, Path("mine.yaml"), interval=0)] == [
        "stopped      worker-pool; starting again",
        "error: Port 4200 is already in use.",
        "stopped      worker-pool; starting again",
        "worker of mine.yaml",
    ]


# `start` leaves the process running on purpose, which Python's `Popen` reports.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_down_ends_the_watch_and_a_killed_worker_is_dead(tmp_path: Path) -> None:
    stack = Stack(tmp_path, 0)
    server, worker = Background("server", tmp_path), Background("worker-pool", tmp_path)
    for process in (server, worker):
        process.start(SLEEP, dict(os.environ))
    assert stack.dead_processes() == []
    os.kill(int(worker.pid() or 0), signal.SIGKILL)
    while worker.pid() is not None:
        pass
    assert stack.dead_processes() == ["worker-pool"]
    server.stop(60)
    assert [line async for line in stack.down()] == []
    assert stack.is_stopped
    assert [line async for line in watch(stack, Path("mine.yaml"))] == []
