"""Artifacts of runs, as stored by a real Prefect server."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from prefect.client.orchestration import get_client

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.reporting.artifacts import FAILURES, PROGRESS, SUMMARY
from stac_asset.testing import Origin, Slow, Status, Truncate
from tests.support.geometry_items import SQUARE
from tests.support.items import item_document
from tests.support.prefect_reads import read_artifacts

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


def put_items(origin: Origin, items: int, assets: int = 1, size: int = 2000) -> str:
    """Put items on the origin. The assets have signed hrefs and declared sizes."""
    features = []
    for number in range(items):
        document = item_document(origin, name=f"item_{number}")
        document["geometry"] = {"type": "Polygon", "coordinates": [SQUARE]}
        document["bbox"] = [10, 50, 11, 51]
        for asset in range(assets):
            path = f"/{number}-{asset}.tif"
            origin.put(path, size=size)
            document["assets"][f"a{asset}"] = {
                "href": origin.href(f"{path}?X-Amz-Signature=SECRET"),
                "file:size": size,
            }
        features.append(document)
    collection = {"type": "FeatureCollection", "features": features}
    return origin.put("/items.json", json.dumps(collection).encode())


async def test_download_run_creates_progress_summary_and_failures(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_items(origin, 100, 3)
    for number in range(12):
        origin.remove(f"/{number}-0.tif")
    origin.fault("/50-1.tif", Truncate(after=100))
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    assert state.is_failed()
    found = await read_artifacts(state)
    assert set(found) == {PROGRESS, SUMMARY, FAILURES}
    assert found[PROGRESS]["type"] == "progress"
    assert found[PROGRESS]["data"] == 100
    assert found[PROGRESS]["description"].startswith("300 of 300 assets, 576.0 kB of 600.0 kB")
    rows = json.loads(found[FAILURES]["data"])
    assert len(rows) == 12
    first = min(rows, key=lambda row: str(row["owner"]))
    assert first["owner"] == "item 'item_0'"
    assert (first["key"], first["href"]) == ("a0", f"{origin.href('/0-0.tif')}?…")
    assert "404 Not Found" in first["error"]
    text = found[SUMMARY]["data"]
    assert text.startswith("# 288 of 300 assets downloaded\n")
    for name, value in (("downloaded", 288), ("failed", 12), ("retried", 1)):
        assert f"| Assets {name} | {value} |" in text
    assert "576.0 kB (576,000 bytes)" in text
    assert f"(<{(tmp_path / 'item-collection.json').as_uri()}>)" in text
    assert f"(<{(tmp_path / 'item-collection.report.ndjson').as_uri()}>)" in text
    assert text.count("404 Not Found") == 10
    assert "and 2 more" in text
    assert r"item\_50/a1" in text.partition("## Most retried assets")[2]
    assert "SECRET" not in json.dumps(found)


async def test_summary_contains_pictures(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, 2)
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    text = (await read_artifacts(state))[SUMMARY]["data"]
    image = r"^!\[(.+)]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)$"
    images = re.findall(image, text, re.M)
    assert [title for title, _ in images] == ["Throughput over time", "Footprints of the items"]
    for _, data in images:
        assert ElementTree.fromstring(base64.b64decode(data)).tag.endswith("}svg")
    assert len(text) < 100_000


async def test_progress_is_updated_at_most_once_per_second(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, 2, 2, size=60_000)
    for path in ("/0-0.tif", "/1-1.tif"):
        origin.fault(path, Slow(5_000))  # The run takes 12 s, with updates also on a busy machine.
    versions: dict[str, tuple[float, str]] = {}
    started = time.monotonic()
    task = asyncio.ensure_future(
        flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    )
    async with get_client() as client:
        while not task.done():
            for artifact in await read_progress(client, str(tmp_path)):
                versions[artifact["updated"]] = (artifact["data"], artifact["description"])
            await asyncio.sleep(0.15)
    seconds = time.monotonic() - started
    state = await task
    final = (await read_artifacts(state))[PROGRESS]
    versions[final["updated"]] = (final["data"], final["description"])
    shown = [versions[when] for when in sorted(versions)]
    assert len(shown) <= seconds + 2
    assert shown[0][0] == 0
    assert shown[-1] == (100, "4 of 4 assets, 240.0 kB of 240.0 kB")
    between = [(percent, text) for percent, text in shown if 0 < percent < 100]
    assert between, "progress includes bytes of unfinished assets"
    assert any(text.startswith("2 of 4 assets") for _, text in between)
    assert sorted(shown) == shown


async def read_progress(client: Any, directory: str) -> list[dict[str, Any]]:
    """Return the progress artifacts of the run that writes to a directory."""
    body = {
        "artifacts": {"key": {"any_": [PROGRESS]}},
        "flow_runs": {"name": {"like_": directory}},
    }
    response = await client.request("POST", "/artifacts/filter", json=body)
    return list(response.json())


async def test_fail_fast_run_lists_error_in_artifacts(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, 3)
    origin.fault("/1-0.tif", Status(403), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    state = await flows.download_item_collection(href, str(tmp_path), options, return_state=True)
    assert state.is_failed()
    found = await read_artifacts(state)
    assert set(found) == {PROGRESS, SUMMARY, FAILURES}
    assert "No report was written" in found[SUMMARY]["data"]
    (row,) = json.loads(found[FAILURES]["data"])
    assert (row["owner"], row["key"]) == ("item 'item_1'", "a0")
    assert "403" in row["error"]


@pytest.mark.parametrize("option", ["check_first", "fail_fast"])
async def test_run_that_fails_before_first_download_lists_errors(
    origin: Origin, tmp_path: Path, option: str
) -> None:
    href = put_items(origin, 3, 2)
    if option == "check_first":
        origin.remove("/0-1.tif")
        origin.remove("/2-0.tif")
        missing = [("item 'item_0'", "a1", "404 Not Found"), ("item 'item_2'", "a0", "404")]
    else:
        document = json.loads(origin.content("/items.json"))
        document["features"][1]["assets"]["a1"]["href"] = "file:///etc/hostname"
        origin.put("/items.json", json.dumps(document).encode())
        missing = [("item 'item_1'", "a1", "LocalHrefError")]
    options = OPTIONS.model_copy(update={option: True})
    state = await flows.download_item_collection(href, str(tmp_path), options, return_state=True)
    assert state.is_failed()
    assert origin.gets("/*.tif") == []
    found = await read_artifacts(state)
    assert set(found) == {PROGRESS, SUMMARY, FAILURES}
    text = found[SUMMARY]["data"]
    assert text.startswith("# 0 of 6 assets downloaded\n")
    assert f"| Assets failed | {len(missing)} |" in text
    assert "No report was written" in text
    assert "## Failed" in text
    rows = sorted(json.loads(found[FAILURES]["data"]), key=lambda row: str(row["owner"]))
    assert [(row["owner"], row["key"]) for row in rows] == [row[:2] for row in missing]
    assert all(reason in row["error"] for row, (*_, reason) in zip(rows, missing, strict=True))
    assert "SECRET" not in json.dumps(found)


@pytest.mark.parametrize("strategy", ["collect", "fail_fast", "warn"])
async def test_check_run_creates_summary_and_failures(
    origin: Origin, tmp_path: Path, strategy: str
) -> None:
    href = put_items(origin, 3, 2)
    origin.remove("/0-1.tif")
    origin.fault("/2-0.tif", Status(403), times=0)
    options = OPTIONS.model_copy(update={} if strategy == "collect" else {strategy: True})
    report = tmp_path / "rows.ndjson"
    state = await flows.check_assets(href, options, report=str(report), return_state=True)
    found = await read_artifacts(state)
    assert set(found) == {SUMMARY, FAILURES}
    rows = sorted(json.loads(found[FAILURES]["data"]), key=lambda row: str(row["owner"]))
    text = found[SUMMARY]["data"]
    if strategy == "fail_fast":
        (row,) = rows
        assert (row["owner"], row["key"]) in [("item 'item_0'", "a1"), ("item 'item_2'", "a0")]
        assert "An error ended the check" in text
        return
    assert [(row["owner"], row["key"]) for row in rows] == [
        ("item 'item_0'", "a1"),
        ("item 'item_2'", "a0"),
    ]
    assert rows[0]["href"] == f"{origin.href('/0-1.tif')}?…"
    assert "404 Not Found" in rows[0]["error"]
    assert text.startswith("# 4 of 6 assets exist\n")
    for name, count in (("found", 4), ("missing", 1), ("that could not be checked", 1)):
        assert f"| Assets {name} | {count} |" in text
    assert "8.0 kB (8,000 bytes)" in text
    assert f"(<{report.as_uri()}>)" in text
    assert "SECRET" not in json.dumps(found)


async def test_successful_check_creates_summary_only(origin: Origin) -> None:
    state = await flows.check_assets(put_items(origin, 1), OPTIONS, return_state=True)
    found = await read_artifacts(state)
    assert set(found) == {SUMMARY}
    assert "## Failed" not in found[SUMMARY]["data"]


async def test_asset_keys_are_escaped_in_markdown(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, name="x")
    key = "![a](https://example.com/a.png) | <b>\n# b"
    document["assets"] = {key: {"href": origin.put("/x.tif", size=10)}}
    source = origin.put("/item.json", json.dumps(document).encode())
    state = await flows.download_item(source, str(tmp_path), OPTIONS, return_state=True)
    text = (await read_artifacts(state))[SUMMARY]["data"]
    assert r"x/\!\[a\](https://example.com/a.png) \| \<b\> # b" in text


async def test_run_completes_when_artifacts_cannot_be_created(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no picture")

    monkeypatch.setattr("prefect_stac_asset.flows.reporting.artifacts.pictures", fail)
    monkeypatch.setattr("prefect_stac_asset.flows.reporting.artifacts.PROGRESS", "Not A Key")
    href = put_items(origin, 1)
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    assert state.is_completed()
    assert set(await read_artifacts(state)) == {SUMMARY}
