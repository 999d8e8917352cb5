"""Tests of the keys with an open upload."""

from __future__ import annotations

import asyncio

import pytest

from stac_asset.destinations.buckets.open_keys import OpenKeys
from stac_asset.destinations.values import BusyError


async def test_key_that_another_upload_had_open_is_reported_once() -> None:
    contested: list[str] = []
    first, second = OpenKeys("service", str), OpenKeys("service", str, contested.append)
    async with first.alone("key", wait=False):
        with pytest.raises(BusyError):
            await second.alone("key", wait=False).__aenter__()
        waiting = asyncio.create_task(_opened_once(second))
        await asyncio.sleep(0)
        assert contested == []
    await waiting
    assert contested == ["key"]
    await _opened_once(second)
    assert contested == ["key"]


async def _opened_once(keys: OpenKeys) -> None:
    async with keys.alone("key", wait=True):
        pass
