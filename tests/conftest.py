"""What tests of all kinds share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.testing import Origin

_SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An HTTP origin that nobody has asked anything yet."""
    with Origin() as running:
        yield running


@pytest.fixture
def config() -> Config:
    """A configuration whose retries do not wait long."""
    return Config(retry_wait=0.01, retry_wait_max=0.05)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real STAC documents beside the project."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("../shared/data is absent")
    return _SHARED_DATA
