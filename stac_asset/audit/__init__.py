"""Audits of mirrors: the differences between a mirror and the source, and repairs.

Call `audit_mirror`. The mirror must be in a directory, or in a prefix of an object store, that the
flow or the command `sync` wrote.

    from stac_asset.audit import Criteria, audit_mirror

    summary = await audit_mirror(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        "/data/sentinel-2",
        Criteria(collections=("sentinel-2-l2a",), datetime="last 10 days"),
    )
    print(summary.complete, summary.counts)
"""

from stac_asset.audit.api import audit_mirror
from stac_asset.audit.differences import Difference, Kind
from stac_asset.audit.summary import AuditSummary
from stac_asset.mirror.search.criteria import Criteria

__all__ = ["AuditSummary", "Criteria", "Difference", "Kind", "audit_mirror"]
