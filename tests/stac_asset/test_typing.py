"""Type annotations of the public API, checked by mypy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT


def test_typical_usage_passes_mypy_strict() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing/usage.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in result.stdout.splitlines() if line.startswith("tests/typing/")]
    assert errors == []
    assert result.stderr == ""


def test_package_contains_py_typed_marker() -> None:
    assert (ROOT / "stac_asset" / "py.typed").exists()
