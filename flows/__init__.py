"""Prefect flows that download STAC assets, and the tasks that they are made of.

The tasks are thin adapters over the library `stac_asset`; each is useful by itself in a flow of
one's own.
"""

from flows.check.flow import check_assets
from flows.check.result import CheckResult
from flows.download.item import download_collection, download_item
from flows.download.item_collection import download_item_collection
from flows.mirror.flow import sync
from flows.mirror.result import SyncResult
from flows.mirror.search import Search
from flows.parameters.options import DownloadOptions
from flows.reporting.result import DownloadResult
from flows.tasks.check import check_asset_exists, check_assets_exist
from flows.tasks.clients import resolve_client
from flows.tasks.download import download_asset, download_assets
from flows.tasks.rewrite import rewrite_item
from flows.verification.flow import verify
from flows.verification.result import VerifyResult

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
