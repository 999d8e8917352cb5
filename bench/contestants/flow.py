"""A flow with a running Prefect server: `python -m bench.contestants.flow CALL LOOP`.

CALL is the name of a flow and its arguments as JSON. LOOP is `uvloop` or `asyncio`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from prefect_stac_asset import flows
from stac_asset.concurrency import new_runner


def main() -> None:
    """Run the flow, and print the seconds."""
    name, *arguments = json.loads(sys.argv[1])
    began = time.perf_counter()
    with new_runner() if sys.argv[2] == "uvloop" else asyncio.Runner() as runner:
        runner.run(getattr(flows, name)(*arguments[:-1], **arguments[-1]))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds}), flush=True)
    os._exit(0)  # Do not wait for the events that Prefect still sends. They are not measured.


if __name__ == "__main__":
    main()
