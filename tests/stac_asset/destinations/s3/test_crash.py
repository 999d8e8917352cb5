"""Recovery after SIGKILL in a bucket: the next run continues, and no unfinished upload is left."""

from __future__ import annotations

from bench.catalog import Catalog
from bench.crash import crash

MIB = 1024 * 1024


def test_kills_lose_no_object_and_leave_no_upload() -> None:
    catalog = Catalog.drawn(items=2, assets=4, smallest=4 * MIB, largest=20 * MIB, seed=1)
    figures = crash(kills=2, catalog=catalog, rate=4 * MIB, destination="s3")
    assert list(figures.problems()) == []
    assert figures.kills == 2
    assert figures.connections > 0
    assert figures.requests["UploadPart"] > 4
