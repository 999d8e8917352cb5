"""This library, downloading an item collection."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import pystac

from stac_asset import Config, blocking, download_item_collection
from stac_asset.api.run import Run


def main() -> None:
    """Do the work, and print the seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("document", type=Path)
    parser.add_argument("directory", help="path or URL of the destination")
    parser.add_argument("--config", type=json.loads, default={}, help="fields of Config, as JSON")
    parser.add_argument("--asyncio", action="store_true", help="use an event loop of asyncio")
    parser.add_argument("--plan", action="store_true", help="plan only, without downloading")
    parser.add_argument("--reading", action="store_true", help="include the time to read the items")
    options = parser.parse_args()
    config = Config(**options.config)
    started = time.perf_counter()
    items = pystac.ItemCollection.from_file(str(options.document))
    began = time.perf_counter()
    if options.plan:
        work = Run(options.directory, config).planner.plan_item_collection(items, None, None)
        assert sum(1 for _ in work) > 0
    elif options.asyncio:
        asyncio.run(download_item_collection(items, options.directory, config=config))
    else:
        blocking.download_item_collection(items, options.directory, config=config)
    print(json.dumps({"seconds": time.perf_counter() - (started if options.reading else began)}))


if __name__ == "__main__":
    main()
