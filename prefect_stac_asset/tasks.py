"""Prefect tasks of the flows, for use in other flows."""

from prefect_stac_asset.flows.tasks import (
    check_asset_exists,
    check_assets_exist,
    download_asset,
    download_assets,
    plan_item,
    resolve_client,
    rewrite_item,
)

__all__ = [
    "check_asset_exists",
    "check_assets_exist",
    "download_asset",
    "download_assets",
    "plan_item",
    "resolve_client",
    "rewrite_item",
]
