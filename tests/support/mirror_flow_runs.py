"""Runs of the flow `sync`, and new versions of items."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions, Search, SyncResult
from stac_asset.testing import Origin
from tests.support.stac_api import COLLECTION, RustacServer

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)
SEARCH_ALL = Search(collections=[COLLECTION])
"""Search for all items of the test collection."""


async def sync_result(
    api: RustacServer | str, directory: Path, search: Search = SEARCH_ALL, **more: Any
) -> SyncResult:
    """Run `sync`, and return the result. Failed runs raise an error.

    Args:
        api: The API, or the href of a source.
        directory: Directory of the mirror.
        search: Search criteria.
        more: More parameters of the flow.
    """
    href = api.href if isinstance(api, RustacServer) else api
    return await flows.sync(href, str(directory), search, **({"options": OPTIONS} | more))


async def sync_state(
    api: RustacServer | str, directory: Path, search: Search = SEARCH_ALL, **more: Any
) -> State[SyncResult]:
    """Run `sync`, and return the final state. The arguments are those of `sync_result`."""
    href = api.href if isinstance(api, RustacServer) else api
    arguments = {"options": OPTIONS} | more
    state: State[SyncResult] = await flows.sync(
        href, str(directory), search, **arguments, return_state=True
    )
    return state


def ids(items: list[dict[str, Any]]) -> set[str]:
    """Return the ids of items."""
    return {str(item["id"]) for item in items}


def with_changed_asset(item: dict[str, Any], origin: Origin, key: str) -> dict[str, Any]:
    """Return an item with a new href for an asset."""
    new = copy.deepcopy(item)
    new["assets"][key]["href"] = origin.href(f"/{item['id']}/{key}.v2.tif?size=600")
    return new


def with_new_timestamp(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with a new `updated` time and the same assets."""
    new = copy.deepcopy(item)
    new["properties"]["updated"] = "2026-06-01T00:00:00Z"
    return new
