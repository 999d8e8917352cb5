"""Inputs of flow runs: options, item collections on an origin, transfers and task runners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset.flows import DownloadOptions
from stac_asset.testing import Origin
from stac_asset.types import Candidate, Transfer
from tests.support.items import item_document

# The read timeout exceeds the duration of every test, so that stalled responses never time out.
OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, http_read_timeout=600)


def with_options(**options: object) -> DownloadOptions:
    """Return the default options of the tests with changes."""
    return OPTIONS.model_copy(update=options)


def put_item_collection(origin: Origin, count: int, *keys: str, suffix: str = ".json") -> str:
    """Put an item collection on an origin, and return the href of the collection.

    Args:
        origin: The origin.
        count: Number of items.
        keys: Asset keys of each item. The path of an asset is `/<item number>/<key>.tif`.
        suffix: File type of the collection: `.json` or `.ndjson`.
    """
    items = []
    for number in range(count):
        document = item_document(origin, *keys, name=f"item-{number}")
        for key, asset in document["assets"].items():
            asset["href"] = origin.href(f"/{number}/{key}.tif")
        items.append(document)
    if suffix == ".ndjson":
        text = "".join(json.dumps(item) + "\n" for item in items)
    else:
        text = json.dumps({"type": "FeatureCollection", "features": items})
    return origin.put(f"/items{suffix}", text.encode())


def save_item_collection(origin: Origin, directory: Path) -> str:
    """Write the item collection of an origin to disk, and return the path.

    The origin counts requests for the collection as transfers. A local copy needs no request.
    """
    path = directory / "items.json"
    path.write_bytes(origin.content("/items.json"))
    return str(path)


def make_transfers(origin: Origin, directory: Path, count: int) -> list[Transfer]:
    """Return transfers of the files `0.tif`, `1.tif`, ... without an item."""
    return [
        Transfer(
            "item 'i'",
            f"k{number}",
            (Candidate(origin.href(f"/{number}.tif"), str(directory / f"{number}.tif")),),
            str(directory),
        )
        for number in range(count)
    ]


def with_threads(flow: Any, count: int) -> Any:
    """Return a copy of a flow that runs tasks in `count` threads."""
    return flow.with_options(task_runner=ThreadPoolTaskRunner(max_workers=count))
