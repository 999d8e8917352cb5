"""The package `stac-asset` of PyPI, in an environment of its own: downloads an item collection.

It is run by its path, so that `stac_asset` is that environment's, not ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pystac

from stac_asset import Config, download_item_collection


def main() -> None:
    """Prints the seconds that the work took."""
    document, directory, config = sys.argv[1:]
    items = pystac.ItemCollection.from_file(document)
    began = time.perf_counter()
    asyncio.run(download_item_collection(items, directory, config=Config(**json.loads(config))))
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
