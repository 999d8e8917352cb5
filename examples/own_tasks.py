"""A custom flow that uses the tasks of this package.

    python examples/own_tasks.py HREF DIRECTORY

The task `plan_item` plans the transfers: which asset is written to which file. Each transfer is a
parameter of a task, which any task runner can run. A pipeline can add its own steps between the
tasks.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pystac
from prefect import flow

import stac_asset
from prefect_stac_asset import DownloadOptions, download_asset, plan_item, rewrite_item


@flow
async def download_thumbnails(href: str, directory: str) -> str:
    """Download the small thumbnails of an item, and return the path of the new document.

    Args:
        href: The href of the item.
        directory: The destination of the item and the thumbnails.
    """
    item = pystac.Item.from_dict(json.loads(await stac_asset.read_href(href)))
    item.set_self_href(href)
    options = DownloadOptions(include=["thumbnail"], max_concurrent_downloads=4)
    planned = await plan_item(item, directory, options)
    small = [transfer for transfer in planned if (transfer.size or 0) < 1_000_000]
    retried = download_asset.with_options(retries=2, retry_delay_seconds=10)
    downloads = [retried.submit(transfer, options) for transfer in small]
    outcomes: list[Any] = [download.result() for download in downloads]
    document = Path(directory) / f"{item.id}.json"
    return str(await rewrite_item(item, outcomes, document, options))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python examples/own_tasks.py HREF DIRECTORY")
    print(asyncio.run(download_thumbnails(*sys.argv[1:])))
