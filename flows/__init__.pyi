"""Public names of the package, which are imported on first use."""

from .auditing.flow import audit as audit
from .auditing.result import AuditResult as AuditResult
from .check.flow import check_assets as check_assets
from .check.result import CheckResult as CheckResult
from .distribution.batch import download_batch as download_batch
from .download.item import download_collection as download_collection
from .download.item import download_item as download_item
from .download.item_collection import download_item_collection as download_item_collection
from .mirror.block import Mirror as Mirror
from .mirror.flow import sync as sync
from .mirror.result import SyncResult as SyncResult
from .mirror.search import Search as Search
from .parameters.budgets import Budget as Budget
from .parameters.options import DownloadOptions as DownloadOptions
from .planning.approval import ApproveAbove as ApproveAbove
from .reporting.result import DownloadResult as DownloadResult
from .tasks.check import check_asset_exists as check_asset_exists
from .tasks.check import check_assets_exist as check_assets_exist
from .tasks.clients import resolve_client as resolve_client
from .tasks.download import download_asset as download_asset
from .tasks.download import download_assets as download_assets
from .tasks.plan import plan_item as plan_item
from .tasks.rewrite import rewrite_item as rewrite_item
from .verification.flow import verify as verify
from .verification.result import VerifyResult as VerifyResult
