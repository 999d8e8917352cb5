"""The table of `docs/states.md`, generated from runs on a Prefect server.

    UPDATE_DOCS=1 make test ARGS=tests/flows/execution/test_states_table.py

writes the table. Without the variable, the test fails if the document differs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import TaskRun

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset.testing import Origin, Stall, Status
from tests.support.items import make_item
from tests.support.paths import ROOT
from tests.support.prefect_reads import read_back
from tests.support.task_runs import read_state_names

DOCUMENT = ROOT / "docs" / "states.md"
BEGIN, END = "<!-- generated table: begin -->", "<!-- generated table: end -->"
STRATEGIES: dict[str, dict[str, Any]] = {
    "neither": {},
    "`fail_fast`": {"fail_fast": True},
    "`warn`": {"warn": True},
}


async def _read_history(run: TaskRun) -> str:
    names = await read_state_names(run.id)
    return " → ".join(name for name in names if name not in ("Pending", "Running"))


def _format_message(text: str | None, origin: Origin, folder: Path) -> str:
    text = (text or "").replace(origin.url, "https://…").replace(str(folder), "…")
    text = re.sub(r"[\d,]+ bytes in [\d.]+ s", "N bytes in S s", text)
    text = re.sub(r"[\d,]+ bytes", "N bytes", text)
    return text.replace("\n", "<br>").replace("|", "\\|")


async def _run_and_format(
    origin: Origin,
    folder: Path,
    strategy: dict[str, Any],
    prepare: Callable[[Origin], None],
    key: str,
    runs: int = 1,
) -> tuple[str, str]:
    """Return the table cells of the task run of an asset and of the flow run.

    Args:
        origin: The origin.
        folder: The directory of the download.
        strategy: Options that select the error strategy.
        prepare: Sets the faults of the origin.
        key: Key of the asset whose task run is shown.
        runs: Number of runs. The last run is shown.
    """
    origin.heal()
    href = make_item(origin, "a", "b")
    prepare(origin)
    if not strategy.get("fail_fast"):
        origin.heal("/b.tif")  # Only `fail_fast` ends a stalled download.
    options = DownloadOptions(
        retry_wait=0.01,
        http_max_attempts=1,
        http_read_timeout=600,
        retries=1,
        retry_delay=0.1,
        **strategy,
    )
    for _ in range(runs):
        state = await flows.download_item(href, str(folder), options, return_state=True)
    flow_run, task_runs = await read_back(state, _count_task_runs(strategy, prepare))
    (task_run,) = [run for run in task_runs if run.name == f"the-item/{key}"]
    assert task_run.state is not None
    assert flow_run.state is not None
    task_message = _format_message(task_run.state.message, origin, folder)
    flow_message = _format_message(flow_run.state.message, origin, folder)
    history = await _read_history(task_run)
    return f"{history}: {task_message}", f"{flow_run.state.name}: {flow_message}"


def _count_task_runs(strategy: dict[str, Any], prepare: Callable[[Origin], None]) -> int:
    """Return the number of task runs: client, two assets, and the item unless the run stopped."""
    stops = prepare in (_set_permanent_error, _set_permanent_error_and_stall)
    return 3 if strategy.get("fail_fast") and stops else 4


def _set_no_fault(origin: Origin) -> None:
    pass


def _set_transient_error(origin: Origin) -> None:
    origin.fault("/a.tif", Status(500))


def _set_permanent_error(origin: Origin) -> None:
    origin.fault("/a.tif", Status(404), times=0)


def _set_permanent_error_and_stall(origin: Origin) -> None:
    origin.fault("/a.tif", Status(404), times=0)
    origin.fault("/b.tif", Stall(after=10), times=0)


ROWS = {
    "downloaded and verified": (_set_no_fault, "a", 1),
    "already present and verified": (_set_no_fault, "a", 2),
    "transient error, attempts left": (_set_transient_error, "a", 1),
    "permanent error": (_set_permanent_error, "a", 1),
    "permanent error of the other asset": (_set_permanent_error_and_stall, "b", 1),
}


async def test_documented_states_match_the_server(origin: Origin, tmp_path: Path) -> None:
    lines = [
        "| event | strategy | task run of the asset | flow run |",
        "|---|---|---|---|",
    ]
    for number, (event, (prepare, key, runs)) in enumerate(ROWS.items()):
        for name, strategy in STRATEGIES.items():
            folder = tmp_path / f"{number}-{len(lines)}"
            asset, flow = await _run_and_format(origin, folder, strategy, prepare, key, runs)
            lines.append(f"| {event} | {name} | {asset} | {flow} |")
    table = "\n".join(lines)
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(expected)
    assert DOCUMENT.read_text() == expected
