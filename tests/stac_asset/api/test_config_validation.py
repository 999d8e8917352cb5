"""Contradictory and invalid configurations are rejected by all public functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pystac
import pytest

import stac_asset
from stac_asset import (
    CannotIncludeAndExclude,
    Config,
    ConfigError,
    download_item,
)
from stac_asset.testing import Origin
from tests.support.remote_items import remote_item

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "x",
    "geometry": None,
    "properties": {"datetime": "2026-06-01T00:00:00Z"},
    "links": [],
    "assets": {"a": {"href": "http://127.0.0.1:9/a.tif"}},
}


async def exhaust(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


def calls(directory: Path) -> dict[str, Callable[[Config], Awaitable[Any]]]:
    """Return a call of each public function that accepts a configuration."""
    item = pystac.Item.from_dict(ITEM)
    items = pystac.ItemCollection([item])
    asset, href = item.assets["a"], item.assets["a"].href
    extent = pystac.Extent(
        pystac.SpatialExtent([[-1, -1, 1, 1]]), pystac.TemporalExtent([[None, None]])
    )
    collection = pystac.Collection("c", "d", extent)
    api = stac_asset
    return {
        "download_item": lambda c: api.download_item(item, directory, config=c),
        "download_collection": lambda c: api.download_collection(collection, directory, config=c),
        "download_item_collection": lambda c: api.download_item_collection(
            items, directory, config=c
        ),
        "download_asset": lambda c: api.download_asset("a", asset, directory / "a.tif", c),
        "download_file": lambda c: api.download_file(href, directory / "a.tif", c),
        "asset_exists": lambda c: api.asset_exists(asset, c),
        "assert_asset_exists": lambda c: api.assert_asset_exists(asset, c),
        "open_href": lambda c: exhaust(api.open_href(href, c)),
        "read_href": lambda c: api.read_href(href, c),
        "plan_item": lambda c: api.plan_item(item, directory, config=c),
        "plan_collection": lambda c: api.plan_collection(collection, directory, config=c),
        "plan_item_collection": lambda c: api.plan_item_collection(items, directory, config=c),
    }


@pytest.mark.parametrize("name", calls(Path()))
async def test_invalid_config_is_rejected(name: str, tmp_path: Path) -> None:
    call = calls(tmp_path)[name]
    with pytest.raises(CannotIncludeAndExclude):
        await call(Config(include=["a"], exclude=["b"]))
    with pytest.raises(ConfigError, match="`warn` and `fail_fast`"):
        await call(Config(warn=True, fail_fast=True))
    with pytest.raises(ConfigError, match="s3_max_attempts"):
        await call(Config(s3_max_attempts=0))
    with pytest.raises(ConfigError, match="is not a known client"):
        await call(Config(client_override="nonsense"))
    assert list(tmp_path.iterdir()) == []


def test_all_functions_with_config_parameter_are_covered() -> None:
    accepting = {
        name
        for name in stac_asset.__all__
        if "config" in getattr(getattr(stac_asset, name), "__annotations__", {})
    }
    assert accepting == set(calls(Path()))


async def test_warn_and_fail_fast_are_mutually_exclusive(tmp_path: Path, origin: Origin) -> None:
    with pytest.raises(ConfigError, match="`warn` and `fail_fast` are mutually exclusive"):
        await download_item(
            remote_item(origin, "a"), tmp_path, config=Config(warn=True, fail_fast=True)
        )
