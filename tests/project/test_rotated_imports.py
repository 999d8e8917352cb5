"""Test modules are imported in another order in each process of a parallel test run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.rotated_imports import import_test_modules, rotated


def test_each_process_begins_with_its_share() -> None:
    assert [rotated("abcdefg", process, 3) for process in range(3)] == [
        list("abcdefg"),
        list("cdefgab"),
        list("efgabcd"),
    ]


@pytest.mark.parametrize(("process", "is_imported"), [("gw1", True), (None, False)])
def test_processes_of_a_parallel_run_import_the_collected_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, process: str | None, is_imported: bool
) -> None:
    name = "tests.stac_asset.selection.test_patterns"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if process is not None:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", process)
        monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    (tmp_path / "test_other.py").write_text("raise AssertionError")
    import_test_modules([ROOT / "tests" / "stac_asset" / "selection", tmp_path])
    assert (name in sys.modules) == is_imported
