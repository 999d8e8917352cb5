"""Runs that distribute items over a work pool with two process workers."""

from __future__ import annotations

from stac_asset.testing import Origin
from tests.flows.distribution.conftest import Fleet, Job


async def test_two_workers_download_items_and_coordinator_publishes(
    origin: Origin, job: Job, fleet: Fleet
) -> None:
    state = await job.run(return_state=True)
    result = await state.aresult()
    assert (result.downloaded, result.failed) == (80, 0)
    assert len(await job.files()) == 80
    assert await job.shares() == []
    assert [item.id for item in result.items()] == [f"item-{number}" for number in range(8)]
