"""Prefect flows and tasks that download, check, verify and mirror STAC assets.

The tasks adapt functions of the library `stac_asset` to Prefect. Each task can also be used in your
own flows.

`__init__.pyi` lists the public names for type checkers. Each name is imported on first use, so that
a flow run does not import the other flows.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "auditing.flow": ["audit"],
        "auditing.result": ["AuditResult"],
        "check.flow": ["check_assets"],
        "check.result": ["CheckResult"],
        "distribution.batch": ["download_batch"],
        "download.item": ["download_collection", "download_item"],
        "download.item_collection": ["download_item_collection"],
        "mirror.flow": ["sync"],
        "mirror.block": ["Mirror"],
        "mirror.result": ["SyncResult"],
        "mirror.search": ["Search"],
        "parameters.budgets": ["Budget"],
        "parameters.options": ["DownloadOptions"],
        "planning.approval": ["ApproveAbove"],
        "reporting.result": ["DownloadResult"],
        "tasks.check": ["check_asset_exists", "check_assets_exist"],
        "tasks.clients": ["resolve_client"],
        "tasks.download": ["download_asset", "download_assets"],
        "tasks.plan": ["plan_item"],
        "tasks.rewrite": ["rewrite_item"],
        "verification.flow": ["verify"],
        "verification.result": ["VerifyResult"],
    },
)
