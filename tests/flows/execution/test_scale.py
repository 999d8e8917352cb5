"""Task runs, database size and memory of runs with thousands of assets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.prefect_databases import QUICK_SERVER
from tests.support.prefect_environment import PREPARED_PYTHON
from tests.support.server_logs import checked_log

MB = 1_000_000
AMOUNTS = (2_000, 5_000)


@pytest.fixture(scope="module")
def figures() -> dict[int, dict[str, Any]]:
    """The measurements of runs in separate processes, by number of assets."""
    # The measured processes are no forks.
    command = [*PREPARED_PYTHON, "-m", "bench.scale", "--json", "--assets", *map(str, AMOUNTS)]
    # The server and the flow write logs to stderr.
    with (
        TemporaryDirectory() as folder,
        checked_log(Path(folder, "scale.log")) as log,
        log.path.open("wb") as errors,
    ):
        done = subprocess.run(
            command,
            env={**os.environ, **QUICK_SERVER},
            stdout=subprocess.PIPE,
            stderr=errors,
            check=True,
        )
    return dict(zip(AMOUNTS, map(json.loads, done.stdout.splitlines()), strict=True))


def test_5000_assets_use_few_task_runs_and_little_storage(
    figures: dict[int, dict[str, Any]],
) -> None:
    result = figures[5_000]
    assert result["downloaded"] == 5_000
    assert result["task_runs"] <= 60
    assert result["database"] <= 2 * MB
    assert result["events"] == 200  # Item events do not depend on the batches.
    assert result["memory"] <= 300 * MB


def test_memory_is_independent_of_asset_count(figures: dict[int, dict[str, Any]]) -> None:
    small, large = (figures[assets] for assets in AMOUNTS)
    assert small["downloaded"] == 2_000
    assert large["memory"] <= small["memory"] + 10 * MB
