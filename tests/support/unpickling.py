"""Load flows and tasks from pickles, run copies, and print attributes and final states as JSON.

An object that is the one of the module is not run: the pickle then has no effect on the run.

python -m tests.support.unpickling FOLDER
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path
from typing import Any

from prefect_stac_asset import flows
from tests.support.remote_runs import COMPLETED

_RUN_LIMIT = asyncio.Semaphore(4)
"""Limit on simultaneous runs, for machines with two cores."""


async def _run(file: Path) -> dict[str, Any]:
    target, parameters = pickle.loads(file.read_bytes())
    if target is getattr(flows, target.fn.__name__):
        return {"is_module_object": True}
    async with _RUN_LIMIT:
        state = await target(**parameters, return_state=True)
    return {
        "state": state.type.value,
        "message": state.message,
        "is_module_object": False,
        "class": type(target).__name__,
        "name": target.name,
        "retries": target.retries,
        "hook_called": target.name in COMPLETED,
        "threads": getattr(getattr(target, "task_runner", None), "_max_workers", None),
        "tags": sorted(getattr(target, "tags", ())),
    }


async def _main(folder: Path) -> None:
    files = sorted(folder.glob("*.pickle"))
    results = await asyncio.gather(*(_run(file) for file in files))
    print(json.dumps({file.stem: result for file, result in zip(files, results, strict=True)}))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
