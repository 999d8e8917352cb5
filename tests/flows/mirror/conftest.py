"""A real STAC API, with the assets of all items on an origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stac_asset.testing import Origin
from tests.support.paths import SHARED_DATA
from tests.support.stac_api import (
    RustacServer,
    real_items,
    rustac_server,
    with_origin_assets,
)


@pytest.fixture(scope="module")
def all_items() -> list[dict[str, Any]]:
    """The 1,000 real items of the test data."""
    folder = SHARED_DATA
    return real_items(folder) if folder.is_dir() else []


@pytest.fixture(scope="module")
def module_origin() -> Iterator[Origin]:
    """Origin of the assets, shared by the tests of a module."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def module_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RustacServer]:
    """STAC API, shared by the tests of a module."""
    folder = SHARED_DATA
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    with rustac_server(tmp_path_factory.mktemp("api"), folder) as api:
        yield api


@pytest.fixture
def api(module_api: RustacServer, shared_data: Path) -> RustacServer:
    """Real STAC API. Each test sets the items."""
    return module_api


@pytest.fixture
def origin(module_origin: Origin) -> Origin:
    """Origin of the assets, without faults and recorded requests of earlier tests."""
    module_origin.heal()
    module_origin.forget()
    return module_origin


@pytest.fixture
def sample_items(all_items: list[dict[str, Any]], origin: Origin) -> list[dict[str, Any]]:
    """Twelve items with two assets each."""
    return [with_origin_assets(item, origin) for item in all_items[::90]]
