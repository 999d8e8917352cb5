"""Prefect flows that download STAC assets, and the tasks that they are made of.

The tasks are thin adapters over the library `stac_asset`; each is useful by itself in a flow of
one's own.
"""

from flows.check_results import CheckResult
from flows.check_tasks import check_assets_exist
from flows.checks import check_assets
from flows.item import download_collection, download_item
from flows.items import download_item_collection
from flows.options import DownloadOptions
from flows.report import DownloadResult
from flows.sync import sync
from flows.sync_result import SyncResult
from flows.sync_search import Search
from flows.tasks import (
    check_asset_exists,
    download_asset,
    download_assets,
    resolve_client,
    rewrite_item,
)
from flows.verify import verify
from flows.verify_result import VerifyResult

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
