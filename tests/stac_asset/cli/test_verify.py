"""Output, exit codes and repairs of `stac-asset verify`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from scripts.site_pages.command_results import RESULTS
from stac_asset.testing import Origin
from tests.support.cli import CommandResult, run_command
from tests.support.items import make_item
from tests.support.mirror_runs import build_item, run_mirror, serve_items


def test_verify_repairs_files_only_with_repair_option(origin: Origin, tmp_path: Path) -> None:
    run_command("download", make_item(origin, "a", "b"), tmp_path, "--write-checksums")
    assert run_command("verify", tmp_path) == CommandResult(0, "2 of 2 files are good\n", "")
    (tmp_path / "a.tif").write_bytes(b"ruin")
    result = run_command("verify", tmp_path)
    assert (result.code, result.output) == (1, "1 of 2 files are good\n")
    assert result.errors.startswith("error: 1 of 2 files are missing or wrong\n- asset 'a' of item")
    result = run_command("verify", tmp_path, "--warn")
    assert (result.code, result.errors[:8]) == (0, "warning:")
    result = run_command("verify", tmp_path, "--json")
    found = json.loads(result.output)
    assert (result.code, found.keys()) == (1, RESULTS["verify"].keys())
    assert (found["good"], found["bad"], found["files"][0]["key"]) == (1, 1, "a")
    result = run_command("verify", tmp_path, "--repair")
    assert result == CommandResult(0, "2 of 2 files are good, 1 repaired\n", "")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    missing = tmp_path / "not there"
    result = run_command("verify", missing)
    assert (result.code, result.errors) == (
        1,
        f"error: the directory {missing} does not exist. Correct the path.\n",
    )


def test_verify_lists_part_files_and_names_the_command_that_removes_them(
    origin: Origin, tmp_path: Path
) -> None:
    run_command("download", make_item(origin, "a"), tmp_path, "--write-checksums")
    (tmp_path / ".b.tif.part").write_bytes(b"some")
    result = run_command("verify", tmp_path)
    assert (result.code, result.errors) == (0, "")
    assert result.output == (
        "1 of 1 files are good\n"
        "part files of interrupted downloads: 1. `stac-asset clean` removes them.\n"
        f"- {tmp_path}/.b.tif.part\n"
    )


def test_verify_removes_unknown_files_of_a_mirror_only_with_option(
    origin: Origin, tmp_path: Path
) -> None:
    asyncio.run(run_mirror(tmp_path, serve_items(origin, [build_item(origin, "item")])))
    old = tmp_path / "things/item/old.tif"
    old.write_bytes(b"old")
    result = run_command("verify", tmp_path)
    lines = f"files without a record of the mirror: 1. --remove-unknown removes them.\n- {old}\n"
    assert result == CommandResult(0, f"1 of 1 files are good\n{lines}", "")
    assert old.exists()
    result = run_command("verify", tmp_path, "--remove-unknown")
    assert (result.code, result.output.endswith(f" 1. Now removed.\n- {old}\n")) == (0, True)
    assert not old.exists()
    assert run_command("verify", tmp_path).output == "1 of 1 files are good\n"
