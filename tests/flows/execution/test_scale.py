"""Task runs, database size and memory of runs with thousands of assets."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.server_logs import checked_log

MB = 1_000_000


@cache
def measure(assets: int) -> dict[str, Any]:
    """Return the measurements of a run in a separate process."""
    command = [sys.executable, "-m", "bench.scale", "--json", "--assets", str(assets)]
    # The server and the flow write logs to stderr.
    with (
        TemporaryDirectory() as folder,
        checked_log(Path(folder, "scale.log")) as log,
        log.path.open("wb") as errors,
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["downloaded"] == assets
    return result


def test_5000_assets_use_few_task_runs_and_little_storage() -> None:
    result = measure(5_000)
    assert result["task_runs"] <= 60
    assert result["database"] <= 2 * MB
    assert result["events"] == 200  # Item events do not depend on the batches.
    assert result["memory"] <= 300 * MB


def test_memory_is_independent_of_asset_count() -> None:
    assert measure(5_000)["memory"] <= measure(2_000)["memory"] + 10 * MB
