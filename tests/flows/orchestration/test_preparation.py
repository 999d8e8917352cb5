"""A large run of a flow excludes the present objects from garbage collection while it downloads."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pystac
import pytest

from prefect_stac_asset.flows.distribution.coordinator import Distribution
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit, unit_of
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset import Config
from stac_asset.api.frozen_heap import MIN_TRANSFERS
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import facts_of
from stac_asset.types import Outcome


class _Elsewhere:
    """Takes the place of a distribution, and counts the frozen objects while items download."""

    frozen: int | None = None

    def add(self, unit: Unit) -> None:
        """Ignore the item."""

    async def download(
        self, units: Iterable[Unit]
    ) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
        self.frozen = gc.get_freeze_count()
        for unit in units:
            yield unit, []


@pytest.fixture
def unfrozen_heap() -> Iterator[None]:
    gc.unfreeze()  # The test run itself has frozen its modules.
    yield
    gc.freeze()


@pytest.mark.usefixtures("unfrozen_heap")
@pytest.mark.parametrize("transfers", [2, MIN_TRANSFERS])
async def test_heap_is_frozen_during_the_downloads_of_a_large_run_only(
    tmp_path: Path, config: Config, transfers: int
) -> None:
    item = pystac.Item("item", None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
    for number in range(transfers):
        item.add_asset(str(number), pystac.Asset(f"https://example.com/{number}.tif"))
    planner = Planner(tmp_path, config, facts_of(tmp_path))
    unit = unit_of(0, item, planner.assets(item))
    elsewhere = _Elsewhere()
    async with open_session(config, 4) as session:
        preparation = RunPreparation(
            DownloadOptions(), "auto", session, cast(Distribution, elsewhere)
        )
        preparation.add(unit)
        async with aclosing(preparation.download([unit])) as done:
            assert [ended async for ended in done] == [(unit, [])]
    assert elsewhere.frozen is not None
    assert (elsewhere.frozen > 0) is (transfers == MIN_TRANSFERS)
    assert not gc.get_freeze_count()
