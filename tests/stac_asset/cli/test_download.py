"""Downloads of items, collections and item collections with `stac-asset download`."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest

from stac_asset.testing import Origin, Stall, Status
from tests.support.cli import CommandResult, read_single_error, run_command
from tests.support.collections import collection_document
from tests.support.items import item_document, make_item


def test_item_is_downloaded_and_then_skipped(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=1000)
    origin.put("/b.tif", size=500)
    result = run_command("download", make_item(origin, "a", "b"), tmp_path / "out")
    document, counts = result.output.splitlines()
    assert (result.code, result.errors) == (0, "")
    assert document == str(tmp_path / "out" / "the-item.json")
    assert counts.startswith("2 downloaded (1.5 kB), 0 skipped, 0 failed in ")
    item = pystac.Item.from_file(document)
    assert item.assets["a"].href == "./a.tif"
    assert (tmp_path / "out" / "a.tif").read_bytes() == origin.content("/a.tif")
    again = run_command("download", make_item(origin, "a", "b"), tmp_path / "out")
    assert "0 downloaded (0 bytes), 2 skipped, 0 failed" in again.output


def test_page_and_empty_file_fail_unless_accepted(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", b"<html></html>", content_type="application/octet-stream")
    origin.put("/b.tif", b"")
    command = ("download", make_item(origin, "a", "b"), tmp_path)
    result = run_command(*command)
    assert result.code == 1
    assert "an HTML page instead of the file" in result.errors
    assert "sent an empty file" in result.errors
    assert not list(tmp_path.glob("*.tif"))
    result = run_command(*command, "--no-check-content", "--allow-empty-files")
    assert result.code == 0
    assert sorted(path.name for path in tmp_path.glob("*.tif")) == ["a.tif", "b.tif"]


def test_collection_is_downloaded_to_working_directory_by_default(
    origin: Origin, tmp_path: Path
) -> None:
    document = json.dumps(collection_document(origin, "thumbnail")).encode()
    result = run_command("download", origin.put("/collection.json", document))
    assert result.code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["collection.json", "thumbnail.png"]


def test_item_collection_is_downloaded_to_template_paths(origin: Origin, tmp_path: Path) -> None:
    features = [item_document(origin, "a", name=name) for name in ("one", "two")]
    document = {"type": "FeatureCollection", "features": features}
    href = origin.put("/search", json.dumps(document).encode())
    result = run_command(
        "download", href, tmp_path, "-t", "${year}/${id}", "--file-name", "all.json"
    )
    assert result.code == 0
    assert result.output.splitlines()[0] == str(tmp_path / "all.json")
    assert (tmp_path / "2026" / "two" / "a.tif").read_bytes() == origin.content("/a.tif")


def test_all_pages_of_an_item_collection_are_downloaded(origin: Origin, tmp_path: Path) -> None:
    for number in range(2):
        item = item_document(origin, "a", name=f"item-{number}")
        document = {"type": "FeatureCollection", "features": [item], "numberMatched": 2}
        document["links"] = [] if number else [{"rel": "next", "href": "./items-1"}]
        origin.put(f"/items-{number}", json.dumps(document).encode())
    result = run_command("download", f" {origin.href('/items-0')} ", tmp_path)
    assert (result.code, result.errors) == (0, "")
    assert {path.parent.name for path in tmp_path.rglob("a.tif")} == {"item-0", "item-1"}
    written = json.loads((tmp_path / "item-collection.json").read_bytes())
    assert [item["id"] for item in written["features"]] == ["item-0", "item-1"]
    assert (written["links"], "numberMatched" in written) == ([], False)


def test_dash_reads_document_from_standard_input(origin: Origin, tmp_path: Path) -> None:
    result = run_command("download", "-", tmp_path, document=item_document(origin, "a"))
    assert (result.code, result.errors) == (0, "")
    assert (tmp_path / "a.tif").exists()


def test_local_item_with_relative_asset_is_downloaded(shared_data: Path, tmp_path: Path) -> None:
    result = run_command("download", shared_data / "simple-item-with-image.json", tmp_path)
    assert result.code == 0
    image = "20201211_223832_CS2.jpg"
    assert (tmp_path / image).read_bytes() == (shared_data / image).read_bytes()


def test_quiet_prints_no_output(origin: Origin, tmp_path: Path) -> None:
    result = run_command("download", make_item(origin, "a"), tmp_path, "--quiet")
    assert result == CommandResult(0, "", "")


def test_include_without_matching_asset_is_reported(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    line = read_single_error(run_command("download", href, "-i", "typo", "-i", "other"))
    assert line == (
        f"error: '{href}': `--include` selects no asset: no asset has the key 'typo', 'other'; "
        "existing keys are 'a', 'b'. Correct `--include`."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["item", "collection", "item collection"])
def test_source_document_is_not_replaced(origin: Origin, tmp_path: Path, kind: str) -> None:
    document, name = item_document(origin, "a", "b"), "the-item.json"
    if kind == "collection":
        document, name = collection_document(origin, "a", "b"), "collection.json"
    elif kind == "item collection":
        document, name = {"type": "FeatureCollection", "features": [document]}, "items.json"
    (tmp_path / name).write_text(before := json.dumps(document))
    line = read_single_error(run_command("download", name, "--file-name", name, "-i", "a"))
    assert "the new document would replace this file. Choose another `DIRECTORY`" in line
    assert (tmp_path / name).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_failed_assets_are_listed(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    origin.fault("/c.tif", Status(403), times=0)
    result = run_command("download", make_item(origin, "a", "b", "c"), tmp_path)
    first, *others = result.errors.splitlines()
    assert result.code == 1
    assert first == "error: 2 of 3 assets failed"
    assert sorted(others) == [
        f"- asset 'b' of item 'the-item': 404 Not Found for {origin.href('/b.tif')}",
        f"- asset 'c' of item 'the-item': 403 Forbidden for {origin.href('/c.tif')}",
    ]
    assert result.output.startswith(f"{tmp_path / 'the-item.json'}\n1 downloaded")
    assert list(pystac.Item.from_file(tmp_path / "the-item.json").assets) == ["a"]


def test_warn_option_exits_with_code_0(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    result = run_command(
        "download", make_item(origin, "a", "b"), tmp_path, "-w", "--error-strategy", "keep"
    )
    assert result.code == 0
    assert result.errors.startswith("warning: 1 of 2 assets failed\n- asset 'b'")
    item = pystac.Item.from_file(tmp_path / "the-item.json")
    assert item.assets["b"].href == origin.href("/b.tif")


def test_fail_fast_prints_single_error(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    origin.fault("/a.tif", Stall())
    line = read_single_error(
        run_command("download", make_item(origin, "a", "b"), tmp_path, "--fail-fast")
    )
    assert "asset 'b'" in line
    assert not (tmp_path / "the-item.json").exists()


def test_piped_document_cannot_reference_local_files(tmp_path: Path, origin: Origin) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": "/etc/item.json"}]
    document["assets"]["a"]["href"] = "/etc/hostname"
    for piped in (document, {"type": "FeatureCollection", "features": [document]}):
        result = run_command("download", "-", tmp_path / "out", document=piped)
        assert result.code == 1
        assert "references local file" in result.errors
    assert not list(tmp_path.rglob("hostname"))


def test_download_without_selected_assets_says_so(origin: Origin, tmp_path: Path) -> None:
    result = run_command("download", make_item(origin, "a"), tmp_path, "-x", "a")
    assert result.code == 0
    assert result.output.splitlines()[1].startswith("no assets to download in ")
