"""The flow over an item collection, on uvloop, against a Prefect server that runs already."""

from __future__ import annotations

import json
import os
import sys
import time

from prefect_stac_asset import flows
from stac_asset.concurrency import new_runner


def main() -> None:
    """Prints the seconds that the flow took."""
    document, directory = sys.argv[1:]
    began = time.perf_counter()
    with new_runner() as runner:
        runner.run(flows.download_item_collection(document, directory))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds}), flush=True)
    os._exit(0)  # What Prefect still sends to its server is no part of the work.


if __name__ == "__main__":
    main()
