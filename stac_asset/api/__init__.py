"""Internal: the coroutines of `stac_asset`, and `Run`, which runs plan, transfer and rewrite."""

from stac_asset.api.assets import (
    assert_asset_exists,
    asset_exists,
    download_asset,
    download_file,
    open_href,
    read_href,
)
from stac_asset.api.collections import (
    download_collection,
    download_item,
    download_item_collection,
    plan_collection,
    plan_item,
    plan_item_collection,
)
from stac_asset.api.dry_run import Plan
from stac_asset.plan.summary import PlannedAsset

__all__ = [
    "Plan",
    "PlannedAsset",
    "assert_asset_exists",
    "asset_exists",
    "download_asset",
    "download_collection",
    "download_file",
    "download_item",
    "download_item_collection",
    "open_href",
    "plan_collection",
    "plan_item",
    "plan_item_collection",
    "read_href",
]
