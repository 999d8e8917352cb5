"""Tests of flows use the Prefect server of the session."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _on_prefect_server(prefect_test: None) -> None:
    """Apply `prefect_test` to each test of this folder."""
