"""Mirrors without Prefect: a directory, or a prefix of an object store, that follows a STAC source.

Call `sync_mirror`. Each run downloads items that are new or changed. The flow `sync` and the
command `stac-asset sync` use the same files and state, so each continues the mirrors of the others.

    from stac_asset.sync import Criteria, sync_mirror

    summary = await sync_mirror(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        "/data/sentinel-2",
        Criteria(collections=("sentinel-2-l2a",), datetime="last 10 days"),
    )
    print(summary)
"""

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.sync.api import sync_mirror
from stac_asset.sync.summary import SyncSummary

__all__ = ["Criteria", "SyncSummary", "sync_mirror"]
