"""Run the flow `download-item` for each item in turn, and print a JSON line per run.

    python examples/run_flow.py DIRECTORY HREF...

Prefect's embedded server stores the runs in `PREFECT_HOME`. If a run fails, the script prints the
error as the last line, and exits with code 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterName,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import TaskRunSort

from prefect_stac_asset import DownloadOptions, DownloadResult, download_item


async def run(directory: Path, hrefs: list[str]) -> int:
    """Run the flow for each href, and return the exit code.

    Args:
        directory: The destination. Each item gets a subfolder.
        hrefs: The hrefs of the items.
    """
    options = DownloadOptions(check_first=True)
    for href in hrefs:
        target = directory / Path(href).stem
        state: State[DownloadResult] = await download_item(
            href, str(target), options, return_state=True
        )
        await _wait_until_recorded(state)
        found = await state.aresult(raise_on_failure=False)
        if isinstance(found, Exception):
            print(json.dumps({"error": str(found)}), flush=True)
            return 1
        details = {"flow_run": str(state.state_details.flow_run_id), "state": state.name}
        print(json.dumps(found.model_dump() | details), flush=True)
    return 0


async def _wait_until_recorded(state: State[DownloadResult]) -> None:
    """Wait until the server has recorded the end of every task run.

    Task runs reach the server as events with a short delay. The embedded server ends with this
    process, so the last events would be lost.
    """
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    rewritten = TaskRunFilter(name=TaskRunFilterName(like_="rewrite "))
    unfinished = TaskRunFilter(
        state=TaskRunFilterState(
            type=TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        )
    )
    async with get_client() as client:

        async def any_run(which: TaskRunFilter) -> bool:
            return bool(
                await client.read_task_runs(
                    flow_run_filter=run,
                    task_run_filter=which,
                    sort=TaskRunSort.END_TIME_DESC,
                    limit=1,
                )
            )

        for _ in range(100):
            begun = not state.is_completed() or await any_run(rewritten)
            if begun and not await any_run(unfinished):
                return
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Usage: python examples/run_flow.py DIRECTORY HREF...")
    sys.exit(asyncio.run(run(Path(sys.argv[1]), sys.argv[2:])))
