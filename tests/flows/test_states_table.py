"""The table of `docs/states.md`, made of what a real Prefect server says of real runs.

    UPDATE_DOCS=1 make test ARGS=tests/flows/test_states_table.py

writes it anew; otherwise the test fails where the document says something else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TaskRun

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset.testing import Origin, Stall, Status
from tests.flows.reading import read_back
from tests.make_item import make_item

DOCUMENT = Path(__file__).parents[2] / "docs" / "states.md"
BEGIN, END = "<!-- what the test saw: begin -->", "<!-- what the test saw: end -->"
STRATEGIES: dict[str, dict[str, Any]] = {
    "neither": {},
    "`fail_fast`": {"fail_fast": True},
    "`warn`": {"warn": True},
}


async def _history(run: TaskRun) -> str:
    async with get_client() as client:
        found = await client.read_task_run_states(run.id)
    names = [state.name for state in sorted(found, key=lambda state: state.timestamp)]
    return " → ".join(name or "" for name in names if name not in ("Pending", "Running"))


def _shown(text: str | None, origin: Origin, folder: Path) -> str:
    text = (text or "").replace(origin.url, "https://…").replace(str(folder), "…")
    text = re.sub(r"[\d,]+ bytes in [\d.]+ s", "N bytes in S s", text)
    text = re.sub(r"[\d,]+ bytes", "N bytes", text)
    return text.replace("\n", "<br>").replace("|", "\\|")


async def _cells(
    origin: Origin,
    folder: Path,
    strategy: dict[str, Any],
    prepare: Callable[[Origin], None],
    look: str,
    runs: int = 1,
) -> tuple[str, str]:
    """Returns what became of one task run, and of the flow run."""
    origin.heal()
    href = make_item(origin, "a", "b")
    prepare(origin)
    if not strategy.get("fail_fast"):
        origin.heal("/b.tif")  # Nobody ends what is silent there.
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
    run, task_runs = await read_back(state, _task_runs(strategy, prepare))
    (one,) = [found for found in task_runs if found.name == f"the-item/{look}"]
    assert one.state is not None
    assert run.state is not None
    asset = f"{await _history(one)}: {_shown(one.state.message, origin, folder)}"
    flow = f"{run.state.name}: {_shown(run.state.message, origin, folder)}"
    return asset, flow


def _task_runs(strategy: dict[str, Any], prepare: Callable[[Origin], None]) -> int:
    """Returns how many there are: client, two assets, and the item unless the run was ended."""
    return 3 if strategy.get("fail_fast") and prepare in (_stays, _sibling) else 4


def _nothing(origin: Origin) -> None:
    pass


def _passes(origin: Origin) -> None:
    origin.fault("/a.tif", Status(503))


def _stays(origin: Origin) -> None:
    origin.fault("/a.tif", Status(404), times=0)


def _sibling(origin: Origin) -> None:
    origin.fault("/a.tif", Status(404), times=0)
    origin.fault("/b.tif", Stall(after=10), times=0)


ROWS = {
    "downloaded and verified": (_nothing, "a", 1),
    "already there and still good": (_nothing, "a", 2),
    "transient error, attempts left": (_passes, "a", 1),
    "error that stays": (_stays, "a", 1),
    "another asset's error": (_sibling, "b", 1),
}


async def test_document_says_what_the_server_says(origin: Origin, tmp_path: Path) -> None:
    lines = [
        "| what happened | strategy | the asset's task run | the flow run |",
        "|---|---|---|---|",
    ]
    for number, (what, (prepare, look, runs)) in enumerate(ROWS.items()):
        for name, strategy in STRATEGIES.items():
            folder = tmp_path / f"{number}-{len(lines)}"
            asset, flow = await _cells(origin, folder, strategy, prepare, look, runs)
            lines.append(f"| {what} | {name} | {asset} | {flow} |")
    table = "\n".join(lines)
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    seen = f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(seen)
    assert DOCUMENT.read_text() == seen
