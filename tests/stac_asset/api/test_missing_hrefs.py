"""Assets without an href are skipped with a notice, and stay in the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, download_item, download_item_collection, plan_item
from stac_asset.notices import collect_notices
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.failing_items import item_with_bad_asset
from tests.support.items import item_document
from tests.support.verification import inventory_of

MISSING: list[Any] = [
    None,
    {},
    {"title": "a template", "type": "image/tiff", "roles": ["data"]},
    {"href": None, "title": "x"},
    {"href": ""},
    {"href": " \n\t"},
    {"href": "\U0001235f\u203b"},
    {"href": None, "alternate": {"s3": {"href": ""}}},
]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("asset", MISSING, ids=str)
async def test_asset_without_href_is_skipped_with_a_notice(
    origin: Origin, tmp_path: Path, config: Config, asset: Any, keep: bool
) -> None:
    config.alternate_assets = ["s3"]
    item = item_with_bad_asset(origin, asset)
    with collect_notices() as notices:
        plan = await plan_item(item, tmp_path, config=config)
        await download_item(item, tmp_path, config=config, keep_non_downloaded=keep)
    assert notices.lines() == [
        "Assets without an href are not downloaded: asset 'bad' of item 'the-item'"
    ]
    assert [row.key for row in plan.rows] == ["first", "last"]
    written = json.loads((tmp_path / "the-item.json").read_bytes())["assets"]
    fields = asset or {}
    assert written["bad"] == {**fields, "href": fields.get("href") or ""}
    batches = (await inventory_of(tmp_path)).batches()
    expected = [asset.key async for assets in batches for asset in assets]
    assert set(expected) == {"first", "last"}


async def test_assets_without_href_that_are_not_selected_are_not_mentioned(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.include = ["first"]
    with collect_notices() as notices:
        new = await download_item(item_with_bad_asset(origin, {}), tmp_path, config=config)
    assert (list(new.assets), notices.lines()) == (["first"], [])


async def test_item_whose_assets_have_no_href_is_written(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    documents = [item_document(origin, "a", name=name) for name in ("one", "two")]
    documents[0]["assets"]["a"] = {"title": "x"}
    items = stac_of({"type": "FeatureCollection", "features": documents}, None, "items")
    assert isinstance(items, pystac.ItemCollection)
    new = await download_item_collection(items, tmp_path, config=config)
    assert [item.assets["a"].href for item in new] == ["", str(tmp_path / "two" / "a.tif")]
    await download_item(items[0], tmp_path / "one", config=config)
    assert (tmp_path / "one" / "one.json").is_file()
