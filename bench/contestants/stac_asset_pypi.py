"""The PyPI package `stac-asset`, downloading an item collection in a separate environment.

This script is run by its path, so that `stac_asset` is the package of that environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pystac

from stac_asset import Config, download_item_collection


def main() -> None:
    """Do the work, and print the seconds."""
    document, directory, config = sys.argv[1:]
    items = pystac.ItemCollection.from_file(document)
    began = time.perf_counter()
    asyncio.run(download_item_collection(items, directory, config=Config(**json.loads(config))))
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
