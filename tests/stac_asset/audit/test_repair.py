"""Audits that repair differences, and the remaining differences."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.planted import PLANTS, PlantedMirror, files_of, ruin_content, scene
from stac_asset.audit import Criteria, audit_mirror
from stac_asset.destinations.local.documents import new_file
from stac_asset.errors import DestinationError
from stac_asset.mirror.layout import REPORT
from stac_asset.testing import Origin, Status
from tests.support.audits import audit_found, found_of_row
from tests.support.mirror_runs import CONFIG, build_item, run_mirror, serve_items
from tests.support.search_api import search_api


@pytest.fixture
def planted(origin: Origin, tmp_path: Path) -> PlantedMirror:
    """A mirror with a difference of each kind, each at another item."""
    items = [scene(number, origin.url, ("a", "b")) for number in range(len(PLANTS) + 2)]
    by_id = {item["id"]: item for item in items}
    mirror = PlantedMirror(tmp_path / "mirror", tmp_path / "items.ndjson", by_id)
    mirror.write_source()
    mirror.write_mirror(lambda name, key: origin.content(f"/{name}/{key}.tif?size=64"))
    for plant, name in zip(PLANTS.values(), list(by_id), strict=False):
        plant(mirror, name)
    # A declared size that differs from the file cannot be downloaded.
    mirror.items["scene-000005"]["assets"]["a"]["file:size"] = 64
    mirror.write_source()
    return mirror


async def test_repair_leaves_only_what_the_caller_must_decide(
    origin: Origin, planted: PlantedMirror
) -> None:
    rows: list[Any] = []
    count = len(planted.expected)
    summary = await audit_mirror(
        str(planted.source), planted.directory, config=CONFIG, repair=True, on_row=rows.append
    )
    left = {found_of_row(row) for row in rows if not row["repaired"]}
    repaired = {found_of_row(row) for row in rows if row["repaired"]}
    assert left == {
        ("extra", "scene-000001", None),
        ("inconsistent", "scenes/scene-000016/stray.tif", None),
    }
    assert left | repaired == planted.expected
    assert (summary.repaired, summary.differences) == (count - 2, 2)
    assert summary.complete
    found, _ = await audit_found(planted, read_files=True)
    assert set(found) == left
    for name, item in planted.items.items():
        for key, asset in item["assets"].items():
            path = asset["href"].removeprefix(origin.url)
            files = {file.read_bytes() for file in planted.folder(name).glob("*.tif")}
            assert origin.content(path) in files, (name, key)


@pytest.mark.parametrize("on_removed", ["mark", "delete"])
async def test_extra_items_are_removed_only_on_request(
    planted: PlantedMirror, on_removed: Any
) -> None:
    summary = await audit_mirror(
        str(planted.source), planted.directory, config=CONFIG, repair=True, on_removed=on_removed
    )
    assert [row["state"] for row in summary.first] == ["inconsistent"]
    assert planted.folder("scene-000001").exists() is (on_removed == "mark")


async def test_files_with_wrong_content_are_repaired_if_files_are_read(
    origin: Origin, tmp_path: Path
) -> None:
    items = [scene(number, origin.url, ("a",)) for number in range(3)]
    mirror = PlantedMirror(
        tmp_path / "mirror", tmp_path / "items.ndjson", {item["id"]: item for item in items}
    )
    mirror.write_source()
    mirror.write_mirror(lambda name, key: origin.content(f"/{name}/{key}.tif?size=64"))
    for item in items:  # Repairs of files read the source of each item.
        href = origin.put(f"/{item['id']}.json", json.dumps(item).encode())
        document = json.loads(mirror.document(item["id"]).read_bytes())
        document["links"][-1]["href"] = href
        mirror.document(item["id"]).write_text(json.dumps(document))
    ruin_content(mirror, "scene-000001")
    found, summary = await audit_found(mirror, config=CONFIG, repair=True)
    assert (found, summary.repaired) == ([], 0)
    origin.forget()
    found, summary = await audit_found(mirror, config=CONFIG, repair=True, read_files=True)
    assert (set(found), summary.repaired, summary.complete) == (mirror.expected, 1, True)
    assert [request.path for request in origin.gets("*.tif")] == ["/scene-000001/a.tif"]
    content = origin.content("/scene-000001/a.tif?size=64")
    assert (mirror.folder("scene-000001") / "a.tif").read_bytes() == content


async def test_files_of_items_outside_of_the_search_are_repaired_from_their_source(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href)
    other = origin.put("/other.json", origin.content("/items.json"))
    serve_items(origin, [build_item(origin, "two")])
    await run_mirror(tmp_path, href)
    (tmp_path / "things/one/data.tif").unlink()
    for path in tmp_path.glob("things/one/one.json"):
        document = json.loads(path.read_bytes())
        document["links"][-1] |= {"href": other, "mirror:source": other}
        path.write_text(json.dumps(document))
    summary = await audit_mirror(href, tmp_path, config=CONFIG, repair=True)
    assert (summary.differences, summary.repaired) == (0, 1)
    content = origin.content("/one/data.tif?size=100")
    assert (tmp_path / "things/one/data.tif").read_bytes() == content


async def test_failed_repairs_remain_differences(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one", "a", "b"), build_item(origin, "two")])
    await run_mirror(tmp_path, href)
    (tmp_path / "things/one/a.tif").unlink()
    (tmp_path / "things/two/data.tif").unlink()
    origin.fault("/one/a.tif", Status(404), times=0)
    summary = await audit_mirror(href, tmp_path, config=CONFIG, repair=True)
    assert [(row["state"], row["item"], row["asset"]) for row in summary.first] == [
        ("missing", "one", "a")
    ]
    assert (summary.repaired, summary.complete) == (1, False)
    [row] = summary.first
    assert "and the repair failed: " in str(row["reason"])
    assert " 404" in str(row["reason"])
    assert str(row["reason"]) in str(summary.error)


async def test_error_of_a_failed_repair_of_content_is_shown(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one", "a", "b")])
    await run_mirror(tmp_path, href)
    path = tmp_path / "things/one/a.tif"
    path.write_bytes(path.read_bytes()[::-1])
    origin.fault("/one/a.tif", Status(403), times=0)
    rows: list[Any] = []
    await audit_mirror(
        href, tmp_path, config=CONFIG, repair=True, read_files=True, on_row=rows.append
    )
    [row] = rows
    assert (row["state"], row["item"], row["asset"], row["repaired"]) == (
        "corrupt",
        "one",
        "a",
        False,
    )
    assert row["reason"].count("and the repair failed: ") == 1
    assert " 403" in row["reason"]


async def test_error_of_an_item_that_cannot_be_added_is_shown(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href)
    serve_items(origin, [build_item(origin, "one"), build_item(origin, "two")])
    foreign = tmp_path / "things" / "two" / "two.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    summary = await audit_mirror(href, tmp_path, config=CONFIG, repair=True)
    reasons = [str(row["reason"]) for row in summary.first if row["item"] == "two"]
    assert any("and the repair failed: " in one and "is no STAC document" in one for one in reasons)


async def test_repair_waits_for_no_other_run_and_changes_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href)
    (tmp_path / "things/one/data.tif").unlink()
    with (
        new_file(tmp_path / REPORT, tmp_path),
        pytest.raises(DestinationError, match="a run of the mirror is in progress"),
    ):
        await audit_mirror(href, tmp_path, config=CONFIG, repair=True)
    assert not (tmp_path / "things/one/data.tif").exists()


async def test_complete_mirror_is_not_written_by_a_repair(origin: Origin, tmp_path: Path) -> None:
    items = {item["id"]: item for item in [scene(0, origin.url, ("a",))]}
    mirror = PlantedMirror(tmp_path / "mirror", tmp_path / "items.ndjson", items)
    mirror.write_source()
    mirror.write_mirror(lambda name, key: origin.content(f"/{name}/{key}.tif?size=64"))
    before = dict(files_of(mirror))
    _, summary = await audit_found(mirror, repair=True)
    assert (summary.repaired, summary.complete) == (0, True)
    assert dict(files_of(mirror)) == before
    assert origin.requests == []


async def test_repair_without_repairable_differences_writes_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two")]
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href)
    serve_items(origin, items[:1])
    (tmp_path / "stray.tif").write_bytes(b"stray")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    rows: list[Any] = []
    summary = await audit_mirror(href, tmp_path, config=CONFIG, repair=True, on_row=rows.append)
    assert {found_of_row(row) for row in rows} == {
        ("extra", "two", None),
        ("inconsistent", "stray.tif", None),
    }
    assert (summary.differences, summary.repaired) == (2, 0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


async def test_items_before_a_relative_window_are_repaired(origin: Origin, tmp_path: Path) -> None:
    now, search = datetime.now(UTC), Criteria(datetime="last 10 days")
    items = {30: build_item(origin, "old"), 2: build_item(origin, "young")}
    for days, item in items.items():
        when = (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        item["properties"]["datetime"] = when
    with search_api(list(items.values())) as api:
        for days in (28, 0):
            await run_mirror(tmp_path, api.url, search, now=now - timedelta(days=days))
        shutil.rmtree(tmp_path / "things/old")
        summary = await audit_mirror(api.url, tmp_path, search, CONFIG, repair=True)
        assert (summary.repaired, summary.complete) == (1, True)
        assert (tmp_path / "things/old/data.tif").exists()
        assert (await run_mirror(tmp_path, api.url, search, now=now)).reasons == {}
