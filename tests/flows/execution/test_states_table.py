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


def _set_no_fault(origin: Origin) -> None:
    pass


def _set_transient_error(origin: Origin) -> None:
    origin.fault("/a.tif", Status(500))


def _set_permanent_error_and_stall(origin: Origin) -> None:
    origin.fault("/a.tif", Status(404), times=0)
    origin.fault("/b.tif", Stall(after=10), times=0)


EVENTS = {
    "downloaded and verified": "a",
    "already present and verified": "a",
    "transient error, attempts left": "a",
    "permanent error": "a",
    "permanent error of the other asset": "b",
}
"""The asset whose task run is shown, by event."""

SITUATIONS: tuple[tuple[Callable[[Origin], None], tuple[tuple[str, ...], ...]], ...] = (
    (_set_no_fault, (("downloaded and verified",), ("already present and verified",))),
    (_set_transient_error, (("transient error, attempts left",),)),
    (
        _set_permanent_error_and_stall,
        (("permanent error", "permanent error of the other asset"),),
    ),
)
"""The faults of the origin, and the events of each run with the same directory."""


async def _run_and_format(
    origin: Origin, folder: Path, strategy: dict[str, Any], stops: bool, events: tuple[str, ...]
) -> dict[str, str]:
    """Return the table cells of a run, by event: task run of the asset, flow run.

    Args:
        origin: The origin.
        folder: The directory of the download.
        strategy: Options that select the error strategy.
        stops: Whether the run stops at the first error.
        events: The events of the run.
    """
    options = DownloadOptions(
        retry_wait=0.01,
        http_max_attempts=1,
        http_read_timeout=600,
        retries=1,
        retry_delay=0.1,
        **strategy,
    )
    href = origin.href("/item.json")
    state = await flows.download_item(href, str(folder), options, return_state=True)
    # The task runs of the client, of two assets, and of the item unless the run stopped.
    flow_run, task_runs = await read_back(state, 3 if stops else 4)
    assert flow_run.state is not None
    flow_message = _format_message(flow_run.state.message, origin, folder)
    cells = {}
    for event in events:
        (task_run,) = [run for run in task_runs if run.name == f"the-item/{EVENTS[event]}"]
        assert task_run.state is not None
        task_message = _format_message(task_run.state.message, origin, folder)
        history = await _read_history(task_run)
        cells[event] = f"{history}: {task_message} | {flow_run.state.name}: {flow_message}"
    return cells


async def test_documented_states_match_the_server(origin: Origin, tmp_path: Path) -> None:
    found: dict[str, dict[str, str]] = {name: {} for name in STRATEGIES}
    for number, (prepare, runs) in enumerate(SITUATIONS):
        for name, strategy in STRATEGIES.items():
            origin.heal()
            make_item(origin, "a", "b")
            prepare(origin)
            is_fail_fast = "fail_fast" in strategy
            if not is_fail_fast:
                origin.heal("/b.tif")  # Only `fail_fast` ends a stalled download.
            stops = is_fail_fast and prepare is _set_permanent_error_and_stall
            folder = tmp_path / f"{number}-{name.strip('`')}"
            for events in runs:
                found[name] |= await _run_and_format(origin, folder, strategy, stops, events)
    lines = [
        "| event | strategy | task run of the asset | flow run |",
        "|---|---|---|---|",
        *(f"| {event} | {name} | {found[name][event]} |" for event in EVENTS for name in found),
    ]
    table = "\n".join(lines)
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(expected)
    assert DOCUMENT.read_text() == expected
