"""The Prefect tasks: thin adapters from the library to task runs and states.

Tasks take plain values, so that any task runner can send them. Prefect caches no results, because a
cached result does not prove that a file still exists. Instead, existing files are checked and
skipped.
"""

from prefect_stac_asset.flows.tasks.check import check_asset_exists, check_assets_exist
from prefect_stac_asset.flows.tasks.clients import resolve_client
from prefect_stac_asset.flows.tasks.download import download_asset, download_assets
from prefect_stac_asset.flows.tasks.plan import plan_item
from prefect_stac_asset.flows.tasks.rewrite import rewrite_item

__all__ = [
    "check_asset_exists",
    "check_assets_exist",
    "download_asset",
    "download_assets",
    "plan_item",
    "resolve_client",
    "rewrite_item",
]
