"""Output, exit codes and repairs of `stac-asset verify`."""

from __future__ import annotations

from pathlib import Path

from stac_asset.testing import Origin
from tests.support.cli import CommandResult, run_command
from tests.support.items import make_item


def test_verify_repairs_files_only_with_repair_option(origin: Origin, tmp_path: Path) -> None:
    run_command("download", make_item(origin, "a", "b"), tmp_path, "--write-checksums")
    assert run_command("verify", tmp_path) == CommandResult(0, "2 of 2 files are good\n", "")
    (tmp_path / "a.tif").write_bytes(b"ruin")
    result = run_command("verify", tmp_path)
    assert (result.code, result.output) == (1, "1 of 2 files are good\n")
    assert result.errors.startswith("error: 1 of 2 files are missing or wrong\n- asset 'a' of item")
    result = run_command("verify", tmp_path, "--warn")
    assert (result.code, result.errors[:8]) == (0, "warning:")
    result = run_command("verify", tmp_path, "--repair")
    assert result == CommandResult(0, "2 of 2 files are good, 1 repaired\n", "")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    missing = tmp_path / "not there"
    result = run_command("verify", missing)
    assert (result.code, result.errors) == (
        1,
        f"error: the directory {missing} does not exist. Correct the path.\n",
    )
