"""Output and effect of `stac-asset clean` in directories."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from scripts.site_pages.command_results import RESULTS
from stac_asset.destinations import LocalDestination
from stac_asset.destinations.local.lock import close_locked, open_locked
from tests.support.cli import run_command


def part_file(folder: Path, name: str, hours: float) -> list[Path]:
    """Write a part file with a note, last written some hours ago."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f".{name}.part", folder / f".{name}.part.json"]
    for path in paths:
        path.write_bytes(b"12345")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    return paths


def test_clean_removes_old_part_files(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"complete")
    (tmp_path / ".hidden.json").write_text("{}")
    old = part_file(tmp_path / "item", "a.tif", 30)
    young = part_file(tmp_path, "b.tif", 2)
    planned = run_command("clean", tmp_path, "--dry-run")
    assert planned.code == 0, planned.errors
    assert planned.output == (
        f"would be removed: {old[0]} (10 bytes, 30.0 h old)\n"
        "leftovers: 1 would be removed, 1 younger than the given age, 0 in use\n"
    )
    assert all(path.exists() for path in [*old, *young])
    found = json.loads(run_command("clean", tmp_path, "--dry-run", "--json").output)
    assert found.keys() == RESULTS["clean"].keys()
    assert [row["location"] for row in found["removed"]] == [str(old[0])]
    assert (found["dry_run"], found["removed"][0]["bytes"], len(found["younger"])) == (True, 10, 1)
    done = run_command("clean", tmp_path)
    assert done.output.startswith(f"removed: {old[0]} (10 bytes, 30.0 h old)\nleftovers: 1 removed")
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert run_command("clean", tmp_path, "--older-than", "90m").code == 0
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [".hidden.json", "a.tif"]


def test_part_file_of_a_running_download_is_kept(tmp_path: Path) -> None:
    used = part_file(tmp_path, "a.tif", 30)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fd, _, lock_file = open_locked(used[0].name, folder)
        done = run_command("clean", tmp_path, "--older-than", "0s")
        close_locked(fd, lock_file)
    finally:
        os.close(folder)
    assert f"in use: {used[0]}" in done.output
    assert "leftovers: 0 removed, 0 younger than the given age, 1 in use" in done.output
    assert all(path.exists() for path in used)


def test_symlinks_and_notes_alone_are_handled(tmp_path: Path) -> None:
    outside = part_file(tmp_path / "outside", "x.tif", 30)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/.y.tif.part").symlink_to(outside[0])
    note = part_file(tmp_path / "inside", "z.tif", 30)
    note[0].unlink()
    assert run_command("clean", tmp_path / "inside").code == 0
    assert all(path.exists() for path in outside)
    assert not note[1].exists()


@pytest.mark.parametrize("age", ["7", "d", "-1d", "1w", "1 d 2 h"])
def test_invalid_ages_are_usage_errors(tmp_path: Path, age: str) -> None:
    result = run_command("clean", tmp_path, f"--older-than={age}")
    assert result.code == 2
    assert "Write for example '30m', '12h' or '7d'." in result.errors


async def test_directory_that_does_not_exist_has_no_leftovers(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path / "missing")
    assert [one async for one in destination.leftovers()] == []


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    result = run_command("clean", tmp_path / "missing")
    assert (result.code, "does not exist" in result.errors) == (1, True)
    assert not (tmp_path / "missing").exists()


def test_help_lists_the_options_of_the_destination_only() -> None:
    shown = run_command("clean", "--help").output
    assert "--destination-endpoint-url" in shown
    assert "--overwrite" not in shown
    assert run_command("clean", "x", "--overwrite").code == 2
