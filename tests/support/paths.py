"""Paths of the repository and of shared test data."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
SHARED_DATA = SHARED / "data"
