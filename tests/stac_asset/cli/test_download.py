"""Downloads of items, collections and item collections with `stac-asset download`."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest

from scripts.site_pages.command_results import RESULTS
from stac_asset.testing import Origin, Stall, Status
from tests.support.cli import CommandResult, read_single_error, run_command
from tests.support.collections import collection_document
from tests.support.items import item_document, make_item


def test_item_is_downloaded_and_then_skipped(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=1000)
    origin.put("/b.tif", size=500)
    result = run_command("download", make_item(origin, "a", "b"), tmp_path / "out")
    document = str(tmp_path / "out" / "the-item.json")
    (counts,) = result.errors.splitlines()
    assert result.code == 0
    assert counts.startswith("2 downloaded (1.5 kB), 0 skipped, 0 failed in ")
    assert counts.endswith(f" s: {document}")
    item = pystac.Item.from_file(document)
    assert item.assets["a"].href == "./a.tif"
    assert (tmp_path / "out" / "a.tif").read_bytes() == origin.content("/a.tif")
    again = run_command("download", make_item(origin, "a", "b"), tmp_path / "out")
    assert "0 downloaded (0 bytes), 2 skipped, 0 failed" in again.errors
    assert (again.code, again.output) == (0, result.output)


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
    assert result.output == f"Output STAC JSON written to {tmp_path / 'all.json'}\n"
    assert (tmp_path / "2026" / "two" / "a.tif").read_bytes() == origin.content("/a.tif")


def test_all_pages_of_an_item_collection_are_downloaded(origin: Origin, tmp_path: Path) -> None:
    for number in range(2):
        item = item_document(origin, "a", name=f"item-{number}")
        document = {"type": "FeatureCollection", "features": [item], "numberMatched": 2}
        document["links"] = [] if number else [{"rel": "next", "href": "./items-1"}]
        origin.put(f"/items-{number}", json.dumps(document).encode())
    result = run_command("download", f" {origin.href('/items-0')} ", tmp_path)
    assert result.code == 0
    printed = json.loads(result.output)["features"]
    assert [item["assets"]["a"]["href"] for item in printed] == [
        str(tmp_path / f"item-{number}" / "a.tif") for number in range(2)
    ]
    assert {path.parent.name for path in tmp_path.rglob("a.tif")} == {"item-0", "item-1"}
    written = json.loads((tmp_path / "item-collection.json").read_bytes())
    assert [item["id"] for item in written["features"]] == ["item-0", "item-1"]
    assert (written["links"], "numberMatched" in written) == ([], False)


def test_dash_reads_document_from_standard_input(origin: Origin, tmp_path: Path) -> None:
    result = run_command("download", "-", tmp_path, document=item_document(origin, "a"))
    assert result.code == 0
    assert (tmp_path / "a.tif").exists()


def test_item_is_piped_through_without_arguments(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a b#.tif", size=10)
    document = item_document(origin, "a b#")
    document["assets"]["a b#"]["href"] = origin.href("/a%20b%23.tif")
    result = run_command("download", document=document)
    assert result.code == 0
    item = pystac.Item.from_dict(json.loads(result.output))
    assert item.assets["a b#"].href == str(tmp_path / "a%20b%23.tif")
    assert Path(item.assets["a b#"].href).read_bytes() == origin.content("/a%20b%23.tif")
    assert item.get_self_href() == str(tmp_path / "the-item.json")
    assert run_command("info", document=document).output.splitlines()[1].split()[3] == "yes"
    assert run_command("plan", document=document).output.count("present") == 2


def test_missing_href_without_standard_input_is_a_usage_error() -> None:
    result = run_command("download")
    assert (result.code, result.output) == (2, "")
    assert "HREF is missing, and standard input is empty." in " ".join(result.errors.split())


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
    counts, first, *others = result.errors.splitlines()
    assert result.code == 1
    assert counts.startswith("1 downloaded")
    assert first == "error: 2 of 3 assets failed"
    assert sorted(others) == [
        f"- asset 'b' of item 'the-item': 404 Not Found for {origin.href('/b.tif')}",
        f"- asset 'c' of item 'the-item': 403 Forbidden for {origin.href('/c.tif')}: configure a "
        f"credential for http://127.0.0.1:{origin.port}, or check that the account may read the "
        "file",
    ]
    assert list(json.loads(result.output)["assets"]) == ["a"]
    assert list(pystac.Item.from_file(tmp_path / "the-item.json").assets) == ["a"]


def test_warn_option_exits_with_code_0(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    result = run_command(
        "download", make_item(origin, "a", "b"), tmp_path, "-w", "--error-strategy", "keep"
    )
    assert result.code == 0
    assert "\nwarning: 1 of 2 assets failed\n- asset 'b'" in result.errors
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


@pytest.mark.parametrize("command", ["download", "info", "plan"])
@pytest.mark.parametrize("warn", [[], ["--warn"]])
def test_nothing_to_download_is_an_error(
    origin: Origin, tmp_path: Path, command: str, warn: list[str]
) -> None:
    document = item_document(origin, "a")
    line = read_single_error(run_command(command, "-x", "a", *warn, document=document))
    assert line.startswith("error: 'standard input' has no assets that `--include` and `--exclude`")
    items = {"type": "FeatureCollection", "features": [document]}
    line = read_single_error(run_command(command, "-x", "a", *warn, document=items))
    assert "has no assets that `--include` and `--exclude` select." in line
    items["features"] = []
    line = read_single_error(run_command(command, *warn, document=items))
    assert line == (
        "error: 'standard input' has no items. Check the search that wrote the document."
    )
    document["assets"]["a"]["href"] = ""
    result = run_command(command, *warn, document=document)
    assert result.code == 1
    assert "error: 'standard input' has no assets to download" in result.errors
    assert origin.gets("*.tif") == []
    assert list(tmp_path.iterdir()) == []


def test_exit_code_is_1_if_all_assets_failed_even_with_warn(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/a.tif")
    result = run_command("download", make_item(origin, "a"), tmp_path, "--warn")
    assert result.code == 1
    assert "error: 1 of 1 asset failed" in result.errors
    assert "1 failed in " in result.errors
    assert "s: no document written\n" in result.errors


def test_document_that_is_not_written_is_null_in_json(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/a.tif")
    href = make_item(origin, "a")
    result = run_command("download", href, tmp_path, "--json")
    assert json.loads(result.output)["document"] is None
    result = run_command("download", href, tmp_path, "-f", "new.json")
    assert "s: no document written\n" in result.errors
    assert result.output == ""
    assert list(tmp_path.iterdir()) == []
    origin.put("/a.tif", b"a")
    result = run_command("download", href, tmp_path, "--json")
    document = json.loads(result.output)["document"]
    assert Path(document).exists()
    origin.remove("/a.tif")
    result = run_command("download", href, tmp_path, "--json", "--overwrite")
    assert json.loads(result.output)["document"] == document
    (tmp_path / "a.tif").unlink()
    result = run_command("download", href, tmp_path, "-f", Path(document).name)
    assert f" s: {document}\n" in result.errors
    assert result.output == ""
    result = run_command("download", href, tmp_path, "-k", "-f", Path(document).name)
    assert result.output == f"Output STAC JSON written to {document}\n"


def test_result_is_printed_as_json(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=10)
    origin.remove("/b.tif")
    result = run_command("download", make_item(origin, "a", "b"), tmp_path, "--json", "-q")
    found = json.loads(result.output)
    assert found.keys() == RESULTS["download"].keys()
    assert (found["downloaded"], found["failed"], found["bytes"]) == (1, 1, 10)
    assert [row["key"] for row in found["failures"]] == ["b"]
    assert result.errors.startswith("error: 1 of 2 assets failed\n")


def test_line_of_each_asset_is_printed_only_with_verbose_option(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b", "c\x1b[2J")
    origin.remove("/b.tif")
    origin.remove("/c\x1b[2J.tif")
    assert "downloaded: " not in run_command("download", href, tmp_path).errors
    result = run_command("download", href, tmp_path, "-v", "-q")
    lines = sorted(line for line in result.errors.splitlines() if line[0] in "fs")
    assert lines == [
        f"failed: asset 'b' of item 'the-item': 404 Not Found for {origin.href('/b.tif')}",
        *(line for line in lines if "[2J" in line),
        f"skipped: asset 'a' of item 'the-item': {tmp_path / 'a.tif'}",
    ]
    assert "\x1b" not in result.errors
    assert (
        "downloaded: asset 'a' of item"
        in run_command("download", href, tmp_path, "-v", "--overwrite").errors
    )


@pytest.mark.parametrize("command", ["download", "info", "plan"])
def test_relative_hrefs_of_a_piped_document_get_advice_to_give_the_path(
    origin: Origin, command: str
) -> None:
    document = item_document(origin, "a")
    document["assets"]["a"]["href"] = "./a.tif"
    document["links"] = []
    result = run_command(command, document=document)
    assert result.code == 1
    assert "Give the path or URL of the document instead of a pipe" in result.output + result.errors


@pytest.mark.parametrize("command", ["download", "info", "plan", "sync"])
def test_directory_in_place_of_a_document_gets_advice(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    arguments = (command, folder, tmp_path / "out")[: 2 if command == "info" else 3]
    line = read_single_error(run_command(*arguments), 1)
    assert f"'{folder}' is a directory, not a STAC document. Give the path of a document" in line
    assert line.endswith("`stac-asset verify` checks the files of a directory.")
    for name in ("b.json", "a.json"):
        (folder / name).write_text("{}")
    assert f"such as '{folder / 'a.json'}'" in read_single_error(run_command(*arguments), 1)


@pytest.mark.parametrize("command", ["download", "info", "plan", "sync"])
def test_path_that_is_too_long_for_a_document_is_named_once(tmp_path: Path, command: str) -> None:
    source = tmp_path / f"{'x' * 256}.json"
    arguments = (command, source, tmp_path / "out")[: 2 if command == "info" else 3]
    line = read_single_error(run_command(*arguments), 1)
    assert line.endswith("' cannot be read: File name too long")
    assert line.count("xxx…") == 1


@pytest.mark.parametrize("command", ["clean", "verify"])
def test_directory_with_a_name_that_is_too_long_does_not_exist(
    tmp_path: Path, command: str
) -> None:
    line = read_single_error(run_command(command, tmp_path / ("x" * 256)), 1)
    assert line.endswith(" does not exist. Correct the path.")


def test_keys_with_a_comma_get_advice_to_repeat_the_option(origin: Origin, tmp_path: Path) -> None:
    command = ("download", make_item(origin, "red", "nir"), tmp_path, "-i", "red,nir")
    line = read_single_error(run_command(*command), 1)
    assert line.endswith("Write `--include red --include nir`.")
