"""Prefect flows, tasks, credential blocks and deployments for STAC assets.

`__init__.pyi` lists the public names for type checkers. Flows and tasks are imported on first use.
Blocks are imported immediately. Prefect can then load a saved block after importing this package.

In the repository, the folders `flows`, `blocks` and `deployments` are at the top level. This folder
has symbolic links to them.
"""

from importlib.metadata import version

import lazy_loader

from prefect_stac_asset._shadowing import check_stac_asset

check_stac_asset()

from prefect_stac_asset import blocks as blocks  # noqa: E402 - after the check, as blocks import stac_asset

# Prefect's collection registry reads the version.
__version__ = version("prefect-stac-asset")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["blocks", "deployments", "flows", "tasks"],
    submod_attrs={
        "blocks": [
            "BlockReference",
            "EarthdataCredentials",
            "HttpCredentials",
            "OAuth2Credentials",
            "PlanetaryComputerCredentials",
            "S3Credentials",
            "ref",
        ],
        "flows": [
            "ApproveAbove",
            "AuditResult",
            "Budget",
            "CheckResult",
            "DownloadOptions",
            "DownloadResult",
            "Mirror",
            "Search",
            "SyncResult",
            "VerifyResult",
            "audit",
            "check_assets",
            "download_batch",
            "download_collection",
            "download_item",
            "download_item_collection",
            "sync",
            "verify",
        ],
        "tasks": [
            "check_asset_exists",
            "check_assets_exist",
            "download_asset",
            "download_assets",
            "plan_item",
            "resolve_client",
            "rewrite_item",
        ],
    },
)
