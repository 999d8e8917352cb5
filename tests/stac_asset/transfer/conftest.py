"""Fixtures of the tests of the transfer."""

from __future__ import annotations

import math

import pytest

from stac_asset.transfer import shared_connections


@pytest.fixture(autouse=True)
def unlimited_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the number of connections not depend on the load of the machine that runs the tests."""
    monkeypatch.setattr(shared_connections, "_MAX_BUSY", math.inf)
