"""Dry runs of the download flows on a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.planning.artifact import PLAN
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_artifacts

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=1)


async def test_dry_run_of_item_collection_lists_items_with_reasons_and_writes_no_files(
    origin: Origin, tmp_path: Path
) -> None:
    directory = tmp_path / "out"
    items = [item_document(origin, f"{name}1", f"{name}2", name=name) for name in "abcd"]
    items[0]["collection"] = "things"
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = origin.put(f"/{Path(asset['href']).name}", size=1000)
    href = put_items(origin, items[:3])
    origin.remove("/b1.tif")
    state = await flows.download_item_collection(href, str(directory), OPTIONS, return_state=True)
    assert state.type.value == "FAILED"
    (directory / "c" / "c1.tif").write_bytes(b"")  # Empty files are downloaded again.
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    origin.put("/b1.tif", size=1000)
    origin.forget()
    href = put_items(origin, items)
    options = OPTIONS.model_copy(update={"price_per_gb": {"127.0.0.1": 1_000_000.0}})
    state = await flows.download_item_collection(
        href, str(directory), options, dry_run=True, return_state=True
    )
    result = await state.aresult()
    assert (state.name, state.type.value, result.dry_run) == ("DryRun", "COMPLETED", True)
    assert [request.path for request in origin.gets()] == ["/items.json"]
    assert before == {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    plan = result.plan
    assert plan is not None
    assert plan.items == {"present": 1, "failed before": 1, "changed": 1, "new": 1}
    assert plan.assets == {"present": 4, "failed before": 1, "changed": 1, "new": 2}
    assert (plan.bytes, plan.unknown, plan.requests, plan.cost) == (4000, 0, 4, 4.0)
    assert plan.seconds is not None  # From the report of the first run.
    assert [(row.id, row.reason, row.assets, row.bytes) for row in plan.rows] == [
        ("b", "failed before", 1, 1000),
        ("c", "changed", 1, 1000),
        ("d", "new", 2, 2000),
    ]
    artifact = (await read_artifacts(state))[PLAN]
    assert [row["item"] for row in json.loads(artifact["data"])] == ["b", "c", "d"]
    assert "4 files to download (4,000 bytes), about" in artifact["description"]
    assert "cost 4.00" in (state.message or "")


async def test_dry_run_of_item_creates_no_directory_and_next_one_finds_nothing_new(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b")
    result = await flows.download_item(href, str(tmp_path / "x"), OPTIONS, dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert result.plan is not None
    assert (result.plan.items, result.plan.seconds) == ({"new": 1}, None)
    assert result.plan.assets == {"new": 2}
    await flows.download_item(href, str(tmp_path / "x"), OPTIONS)
    state = await flows.download_item(
        href, str(tmp_path / "x"), OPTIONS, dry_run=True, return_state=True
    )
    assert (state.name, (await state.aresult()).plan.items) == ("NothingNew", {"present": 1})


async def test_dry_run_of_collection_counts_sources_that_are_missing(
    origin: Origin, tmp_path: Path
) -> None:
    href = origin.put("/c.json", json.dumps(collection_document(origin, "a", "b")).encode())
    origin.remove("/b.png")
    result = await flows.download_collection(href, str(tmp_path), OPTIONS, dry_run=True)
    assert result.plan is not None
    assert result.plan.assets == {"new": 1, "cannot be downloaded": 1}
    assert list(tmp_path.iterdir()) == []


def put_items(origin: Origin, items: list[dict[str, Any]]) -> str:
    """Serve items as an item collection, and return the href."""
    document = {"type": "FeatureCollection", "features": items}
    return origin.put("/items.json", json.dumps(document).encode())
