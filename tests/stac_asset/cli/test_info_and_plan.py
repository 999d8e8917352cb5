"""Output of `stac-asset info` and `stac-asset plan`."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.site_pages.command_results import RESULTS
from stac_asset.testing import Origin, Status
from tests.support.cli import run_command
from tests.support.items import item_document, make_item


def test_info_lists_assets_without_downloading(origin: Origin) -> None:
    document = item_document(origin, "a", "b", "c", "d")
    document["assets"]["a"] |= {"type": "image/tiff"}
    document["assets"]["c"] |= {"type": "image/png", "href": "gopher://example.com/c"}
    origin.put("/a.tif", size=12345)
    origin.remove("/b.tif")
    origin.fault("/d.tif", Status(500), times=0)
    result = run_command("info", "-", document=document)
    assert result.code == 1, "assets are missing"
    header, a, b, c, d = result.output.splitlines()
    assert header.split() == ["key", "client", "exists", "bytes", "media", "type", "note"]
    assert a.split() == ["a", "http", "yes", "12,345", "image/tiff", "-"]
    assert b.split()[:5] == ["b", "http", "no", "-", "-"]
    assert "404 Not Found" in b
    assert c.split()[:5] == ["c", "-", "-", "-", "image/png"]
    assert "No client claims" in c
    assert d.split()[:4] == ["d", "http", "-", "-"]
    assert "500" in d
    assert origin.gets("*.tif") == []
    found = run_command("info", "-", "-w", "--json", document=document)
    rows = {row.pop("key"): row for row in json.loads(found.output)["assets"]}
    assert found.code == 0
    assert rows["a"] == {
        "owner": "item 'the-item'",
        "client": "http",
        "exists": "yes",
        "bytes": 12345,
        "media_type": "image/tiff",
        "note": None,
    }
    assert [row["exists"] for row in rows.values()] == ["yes", "no", None, None]
    assert run_command("info", "-", "-i", "a", document=document).code == 0


def test_info_lists_items_of_item_collection(origin: Origin) -> None:
    features = [item_document(origin, "a", name=name) for name in ("one", "two", "bad")]
    features[2]["assets"] = None
    document = {"type": "FeatureCollection", "features": features}
    result = run_command("info", "-", "-i", "a", document=document)
    assert [line.split()[:2] for line in result.output.splitlines()[1:]] == [
        ["item", "'one'"],
        ["item", "'two'"],
        ["item", "3"],
    ]
    assert "item 3 ('bad') is not valid STAC" in result.output


def test_plan_lists_downloads_without_writing_files(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=12345)
    result = run_command("plan", make_item(origin, "a"), "out")
    header, row, totals = result.output.splitlines()
    assert (result.code, result.errors) == (0, "")
    columns = ["owner", "key", "action", "reason", "client", "bytes", "path", "note"]
    assert header.split() == columns
    path = str(tmp_path / "out/a.tif")
    assert row.split()[2:] == ["a", "download", "new", "http", "12,345", path, "-"]
    assert totals.startswith("1 to download (12,345 bytes), 0 already present, 0 unavailable. ")
    assert list(tmp_path.iterdir()) == []


def test_plan_is_printed_as_json(origin: Origin, tmp_path: Path) -> None:
    result = run_command("plan", make_item(origin, "a", "b"), "out", "--json", "-x", "b")
    plan = json.loads(result.output)
    assert [row["key"] for row in plan["rows"]] == ["a"]
    assert plan["directory"] == str(tmp_path / "out")
    assert plan.keys() == RESULTS["plan"].keys()


def test_plan_that_cannot_be_carried_out_exits_with_code_1(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    (tmp_path / "file").write_text("")
    result = run_command("plan", href, "file/data", "--json")
    assert result.code == 1
    problem, _ = json.loads(result.output)["problems"]
    assert problem.startswith(f"Cannot create directory '{tmp_path}/file/data': Not a directory.")
    origin.remove("/b.tif")
    result = run_command("plan", href, "data")
    assert (result.code, result.errors.count("error: 1 of 2 assets cannot be")) == (1, 1)
    result = run_command("plan", href, "data", "--warn")
    assert (result.code, result.errors.count("warning: 1 of 2 assets cannot be")) == (0, 1)


def test_exit_code_tells_whether_there_are_files_to_download(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b")
    assert run_command("plan", href, "out").code == 0
    assert run_command("plan", href, "out", "--exit-code").code == 3
    assert run_command("plan", href, "out", "--exit-code", "--json").code == 3
    assert run_command("download", href, "out").code == 0
    assert run_command("plan", href, "out", "--exit-code").code == 0
    origin.remove("/b.tif")
    (tmp_path / "out" / "b.tif").unlink()
    assert run_command("plan", href, "out", "--exit-code").code == 1


def test_plan_estimates_cost_and_duration(origin: Origin) -> None:
    href = make_item(origin, "a")
    origin.put("/a.tif", size=500_000)
    options = ["--price-per-gb", "127.0.0.1=4000", "--expected-speed", "1000"]
    result = run_command("plan", href, "out", *options)
    assert "About 500 s. Cost: 2.00. " in result.output
    found = json.loads(run_command("plan", href, "out", *options, "--json").output)
    assert (found["seconds"], found["cost"], found["requests"]) == (500.0, 2.0, 1)
    assert (found["items"], found["assets"]) == ({"new": 1}, {"new": 1})
    result = run_command("plan", href, "out", "--price-per-gb", "127.0.0.1")
    assert (result.code, "is not a host and a price" in result.errors) == (2, True)
