"""Internal: plan the file and the source hrefs of each asset, without I/O."""

from stac_asset.plan.facts import FileSystemFacts
from stac_asset.plan.file_names import FolderTemplate, safe_name
from stac_asset.plan.owners import Owner
from stac_asset.plan.planner import Planner
from stac_asset.plan.work import PlannedRun

__all__ = ["FileSystemFacts", "FolderTemplate", "Owner", "PlannedRun", "Planner", "safe_name"]
