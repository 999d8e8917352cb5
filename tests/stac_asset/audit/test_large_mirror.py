"""An audit of a larger mirror in another process."""

from __future__ import annotations

from pathlib import Path

from bench.audit import measure


def test_planted_differences_in_a_larger_mirror_are_found_exactly(tmp_path: Path) -> None:
    figures = measure(tmp_path, 2000, 100)
    assert figures.errors() == []
