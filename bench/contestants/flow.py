"""The flow over an item collection, on uvloop, with a running Prefect server."""

from __future__ import annotations

import json
import os
import sys
import time

from prefect_stac_asset import flows
from stac_asset.concurrency import new_runner


def main() -> None:
    """Run the flow, and print the seconds."""
    document, directory = sys.argv[1:]
    began = time.perf_counter()
    with new_runner() as runner:
        runner.run(flows.download_item_collection(document, directory))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds}), flush=True)
    os._exit(0)  # Do not wait for the events that Prefect still sends. They are not measured.


if __name__ == "__main__":
    main()
