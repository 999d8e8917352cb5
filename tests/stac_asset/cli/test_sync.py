"""Output, exit codes and options of `stac-asset sync`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from scripts.site_pages.command_results import RESULTS
from stac_asset.cli.app import app
from stac_asset.destinations.local.documents import new_file
from stac_asset.mirror.layout import REPORT
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.cli import CommandResult, read_single_error, run_command
from tests.support.mirror_runs import build_item, check_catalog, serve_items


def serve(origin: Origin, *names: str) -> str:
    """Put a file of items on the origin, and return the href."""
    return serve_items(origin, [build_item(origin, name) for name in names])


def test_mirror_is_updated_by_each_run(origin: Origin, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    result = run_command("sync", serve(origin, "one", "two"), mirror)
    assert (result.code, result.output) == (0, f"{mirror / 'catalog.json'}\n")
    assert result.errors.startswith(
        "2 items found: 2 new, 0 changed; 2 assets downloaded (200 bytes), 0 skipped, 0 failed in "
    )
    check_catalog(mirror, {"one", "two"})
    origin.forget()
    result = run_command("sync", serve(origin, "one", "two", "three"), mirror, "-v")
    assert result.code == 0
    assert f"downloaded: asset 'data' of item 'three': {mirror}/things/three/data.tif" in (
        result.errors
    )
    assert [request.path for request in origin.gets("*.tif")] == ["/three/data.tif"]
    check_catalog(mirror, {"one", "two", "three"})
    quiet = run_command("sync", origin.href("/items.json"), mirror, "-q")
    assert quiet == CommandResult(0, "", "")


def test_search_options_limits_and_removal_are_those_of_the_mirror(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve(origin, "one", "two", "three")
    result = run_command("sync", href, tmp_path, "--max-items", 1, "--id", "one", "--id", "two")
    assert result.code == 0
    assert "warning: the mirror is not complete: 1 item is left for the next run" in result.errors
    assert run_command("sync", href, tmp_path, "--max-bytes", 250).code == 0
    check_catalog(tmp_path, {"one", "two", "three"})
    result = run_command("sync", serve(origin, "one"), tmp_path, "--on-removed", "delete")
    assert "2 removed from the source" in result.errors
    check_catalog(tmp_path, {"one"})


def test_dry_run_lists_planned_items_and_writes_no_file(origin: Origin, tmp_path: Path) -> None:
    href = serve(origin, "one", "two")
    mirror = tmp_path / "mirror"
    result = run_command("sync", href, mirror, "--dry-run", "-i", "data")
    assert result.code == 0
    assert [line.split()[:4] for line in result.output.splitlines()[1:]] == [
        ["one", "things", "new", "1"],
        ["two", "things", "new", "1"],
    ]
    found = json.loads(run_command("sync", href, mirror, "--dry-run", "--json").output)
    assert (found["items"]["new"], found["plan"]["requests"]) == (2, 2)
    assert (found["complete"], found["downloaded"]) == (False, 0)
    assert not mirror.exists()
    assert origin.gets("*.tif") == []


def test_failed_items_are_listed_and_retried(origin: Origin, tmp_path: Path) -> None:
    href = serve(origin, "one", "two")
    origin.remove("/two/data.tif")
    result = run_command("sync", href, tmp_path, "--json")
    found = json.loads(result.output)
    assert (result.code, found.keys()) == (1, RESULTS["sync"].keys())
    assert (found["downloaded"], found["failed"], found["mirrored"]) == (1, 1, 1)
    assert found["incomplete"] == ["1 item failed"]
    assert "\nerror: 1 of 2 assets failed\n- asset 'data' of item 'two': 404" in result.errors
    rows = [json.loads(row) for row in (tmp_path / "sync.report.ndjson").read_text().splitlines()]
    assert sorted(row["state"] for row in rows) == ["downloaded", "failed"]
    failures = json.loads((tmp_path / ".mirror/failures.json").read_bytes())
    assert failures["items"] == [["things", "two", 1]]
    result = run_command("sync", href, tmp_path, "--warn")
    assert (result.code, "\nwarning: 1 of 1 asset failed" in result.errors) == (0, True)
    origin.put("/two/data.tif", size=100)
    assert "1 retried" in run_command("sync", href, tmp_path).errors
    check_catalog(tmp_path, {"one", "two"})
    assert not (tmp_path / ".mirror/failures.json").exists()


def test_fail_fast_keeps_the_items_that_were_finished(origin: Origin, tmp_path: Path) -> None:
    href = serve(origin, "one", "two")
    origin.remove("/two/data.tif")
    line = read_single_error(run_command("sync", href, tmp_path, "--fail-fast", "-n", 1))
    assert "asset 'data' of item 'two': 404 Not Found" in line
    check_catalog(tmp_path, {"one"})


@pytest.mark.parametrize("warn", [[], ["--warn"]])
def test_source_without_items_is_an_error_unless_the_mirror_has_items(
    origin: Origin, tmp_path: Path, warn: list[str]
) -> None:
    result = run_command("sync", serve(origin), tmp_path, "-q", *warn)
    assert (result.code, result.output) == (1, "")
    assert "error: the source has no items that match the search." in result.errors
    result = run_command("sync", serve(origin, "one"), tmp_path, "--max-bytes", 99, *warn)
    assert result.code == 1
    assert "error: the mirror is not complete: 1 item is larger than `--max-bytes`" in result.errors
    assert run_command("sync", serve(origin, "one"), tmp_path).code == 0
    assert run_command("sync", origin.href("/items.json"), tmp_path, "--id", "none").code == 0


def test_running_mirror_is_not_updated_twice(origin: Origin, tmp_path: Path) -> None:
    href = serve(origin, "one")
    assert run_command("sync", href, tmp_path).code == 0
    with new_file(tmp_path / REPORT, tmp_path):
        line = read_single_error(run_command("sync", href, tmp_path))
    assert "another run is writing it" in line


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_selection_without_assets_is_an_error(
    origin: Origin, tmp_path: Path, dry_run: list[str]
) -> None:
    command = ("sync", serve(origin, "one"), tmp_path, *dry_run)
    assert "`--include` selects no asset" in read_single_error(run_command(*command, "-i", "typo"))
    line = read_single_error(run_command(*command, "-x", "data"))
    assert line.startswith("error: `--exclude` leaves no asset of the new and changed items.")
    assert not (tmp_path / "things").exists()
    assert run_command("sync", serve(origin, "one"), tmp_path).code == 0
    assert run_command(*command, "-x", "data").code == 0, "nothing is new"


def test_missing_directory_is_refused_on_request(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAC_ASSET_MAKE_DIRECTORY", "false")
    line = read_single_error(run_command("sync", serve(origin, "one"), tmp_path / "new"))
    assert "does not exist. Create it or set `STAC_ASSET_MAKE_DIRECTORY=True`" in line


@pytest.mark.parametrize("command", ["sync", "audit"])
def test_each_search_criterion_has_an_option(command: str) -> None:
    names = {option.name for option in app.commands[command].params}
    assert {field.name for field in dataclasses.fields(Criteria)} - names == set()
