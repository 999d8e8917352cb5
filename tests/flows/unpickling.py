"""Loads flows and tasks from pickles, runs them, and prints what they were, and how they ended.

python -m tests.flows.unpickling FOLDER
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path
from typing import Any

from prefect_stac_asset import flows
from tests.flows.elsewhere import COMPLETED

_AT_ONCE = asyncio.Semaphore(4)
"""Limits how many run at the same time, since the tests need only two cores."""


async def _ran(file: Path) -> dict[str, Any]:
    what, parameters = pickle.loads(file.read_bytes())
    async with _AT_ONCE:
        state = await what(**parameters, return_state=True)
    return {
        "state": state.type.value,
        "message": state.message,
        "is_of_module": what is getattr(flows, what.fn.__name__),
        "class": type(what).__name__,
        "name": what.name,
        "retries": what.retries,
        "noted": what.name in COMPLETED,
        "threads": getattr(getattr(what, "task_runner", None), "_max_workers", None),
        "tags": sorted(getattr(what, "tags", ())),
    }


async def _main(folder: Path) -> None:
    files = sorted(folder.glob("*.pickle"))
    ended = await asyncio.gather(*(_ran(file) for file in files))
    print(json.dumps({file.stem: end for file, end in zip(files, ended, strict=True)}))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
