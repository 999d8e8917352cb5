"""A flow of one's own that is made of this package's tasks.

    python examples/own_tasks.py HREF DIRECTORY

The library plans which asset becomes which file; each plan is a value that a task takes, on any
task runner. Between the tasks there is room for what the pipeline is about.
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
from prefect_stac_asset.flows import DownloadOptions, download_asset, rewrite_item
from stac_asset.plan.planner import Planner
from stac_asset.types import Transfer


@flow
async def download_thumbnails(href: str, directory: str) -> str:
    """Downloads the thumbnails of an item, if they are small; returns where its document is.

    Args:
        href: The item's href.
        directory: Where the item and its thumbnails go.
    """
    item = pystac.Item.from_dict(json.loads(await stac_asset.read_href(href)))
    item.set_self_href(href)
    options = DownloadOptions(include=["thumbnail"], max_concurrent_downloads=4)
    planned = Planner(Path(directory), options.config()).assets(item)
    small = [
        transfer
        for transfer in planned
        if isinstance(transfer, Transfer) and (transfer.size or 0) < 1_000_000
    ]
    patient = download_asset.with_options(retries=2, retry_delay_seconds=10)
    downloads = [patient.submit(transfer, options) for transfer in small]
    outcomes: list[Any] = [download.result() for download in downloads]
    document = Path(directory) / f"{item.id}.json"
    return str(await rewrite_item(item, outcomes, document, options))


if __name__ == "__main__":
    print(asyncio.run(download_thumbnails(*sys.argv[1:])))
