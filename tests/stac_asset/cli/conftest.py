"""Environment of the command line tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment without configuration, short retry waits, and an empty working directory."""
    for name in list(os.environ):
        if name.startswith("STAC_ASSET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STAC_ASSET_RETRY_WAIT", "0.01")
    monkeypatch.chdir(tmp_path)
