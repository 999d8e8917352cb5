"""The types of the public API, by the checker that our users run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_typical_uses_are_accepted_by_mypy_strict() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing/usage.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    ours = [line for line in done.stdout.splitlines() if line.startswith("tests/typing/")]
    assert ours == []
    assert done.stderr == ""


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "stac_asset" / "py.typed").exists()
