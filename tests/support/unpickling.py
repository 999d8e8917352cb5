"""Load flows and tasks from pickles, run copies, and print attributes and final states as JSON.

An object that is the one of the module is not run: the pickle then has no effect on the run. Of the
other objects, those in files named `pickle-…` do not run.

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


def _load(file: Path) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Return the attributes of a pickled flow or task, the object, and the parameters of a run."""
    target, parameters = pickle.loads(file.read_bytes())
    attributes = {
        "is_module_object": target is getattr(flows, target.fn.__name__),
        "class": type(target).__name__,
        "name": target.name,
        "retries": target.retries,
        "hooks": [hook.__name__ for hook in target.on_completion_hooks or ()],
        "threads": getattr(getattr(target, "task_runner", None), "_max_workers", None),
        "tags": sorted(getattr(target, "tags", ())),
    }
    return attributes, target, parameters


async def _run(file: Path) -> dict[str, Any]:
    attributes, target, parameters = _load(file)
    if attributes["is_module_object"] or file.name.startswith("pickle-"):
        return {"loaded": attributes}
    async with _RUN_LIMIT:
        state = await target(**parameters, return_state=True)
    return {
        "loaded": attributes,
        "state": state.type.value,
        "message": state.message,
        "hook_called": target.name in COMPLETED,
    }


async def _main(folder: Path) -> None:
    files = sorted(folder.glob("*.pickle"))
    results = await asyncio.gather(*(_run(file) for file in files))
    print(json.dumps({file.stem: result for file, result in zip(files, results, strict=True)}))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
