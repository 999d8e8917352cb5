"""Prefect flows and tasks that download, check, verify and mirror STAC assets.

The tasks adapt functions of the library `stac_asset` to Prefect. Each task can also be used in your
own flows.
"""

from prefect_stac_asset.flows.check.flow import check_assets
from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.download.item import download_collection, download_item
from prefect_stac_asset.flows.download.item_collection import download_item_collection
from prefect_stac_asset.flows.mirror.flow import sync
from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.tasks.check import check_asset_exists, check_assets_exist
from prefect_stac_asset.flows.tasks.clients import resolve_client
from prefect_stac_asset.flows.tasks.download import download_asset, download_assets
from prefect_stac_asset.flows.tasks.rewrite import rewrite_item
from prefect_stac_asset.flows.verification.flow import verify
from prefect_stac_asset.flows.verification.result import VerifyResult

__all__ = [
    "CheckResult",
    "DownloadOptions",
    "DownloadResult",
    "Search",
    "SyncResult",
    "VerifyResult",
    "check_asset_exists",
    "check_assets",
    "check_assets_exist",
    "download_asset",
    "download_assets",
    "download_collection",
    "download_item",
    "download_item_collection",
    "resolve_client",
    "rewrite_item",
    "sync",
    "verify",
]
