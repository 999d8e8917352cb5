"""What thousands of assets cost: task runs, database and memory, each run in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.server_logs import checked_log

MB = 1_000_000


@cache
def figures(assets: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.scale", "--json", "--assets", str(assets)]
    # Its server and its flow log there.
    with (
        TemporaryDirectory() as folder,
        checked_log(Path(folder, "scale.log")) as log,
        log.path.open("wb") as errors,
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["downloaded"] == assets
    return found


def test_5000_assets_are_few_task_runs_and_little_database() -> None:
    found = figures(5_000)
    assert found["task_runs"] <= 60
    assert found["database"] <= 2 * MB
    assert found["events"] == 200  # One for each item, all the same.
    assert found["memory"] <= 300 * MB


def test_memory_does_not_follow_the_count() -> None:
    assert figures(15_000)["memory"] <= figures(5_000)["memory"] + 20 * MB
