"""The objects of a plan are excluded from garbage collection during the transfers only."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest
from yarl import URL

from stac_asset import Client, Config, StacAssetError, download_item
from stac_asset.api.frozen_heap import frozen_heap
from stac_asset.types import MessageQueue


class _CountingClient(Client):
    """Counts the frozen objects during a request."""

    name = "counting"

    def __init__(self, fails: bool = False) -> None:
        self.frozen = 0
        self.fails = fails

    def claims(self, url: URL) -> bool:
        return True

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        self.frozen = gc.get_freeze_count()
        if self.fails:
            raise StacAssetError("the source is broken")
        yield b"data"


class _Node:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def unfrozen_heap() -> Iterator[None]:
    gc.unfreeze()  # The test run itself has frozen its modules.
    yield
    assert not gc.get_freeze_count()
    gc.freeze()


@pytest.mark.parametrize("fails", [False, True])
async def test_heap_is_frozen_during_transfers_only(
    tmp_path: Path, config: Config, fails: bool
) -> None:
    item = pystac.Item("item", None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
    item.add_asset("data", pystac.Asset("https://example.com/data.tif"))
    client = _CountingClient(fails)
    if fails:
        with pytest.raises(StacAssetError):
            await download_item(item, tmp_path, config=config, clients=[client])
    else:
        await download_item(item, tmp_path, config=config, clients=[client])
    assert client.frozen > 0


def test_garbage_made_in_the_context_is_collected() -> None:
    with frozen_heap():
        found = weakref.ref(_Node())
        gc.collect()
        assert found() is None


def test_objects_of_the_caller_stay_frozen() -> None:
    gc.freeze()
    try:
        with frozen_heap():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_nothing_is_frozen_if_the_caller_has_disabled_the_collector() -> None:
    gc.disable()
    try:
        with frozen_heap():
            assert not gc.get_freeze_count()
    finally:
        gc.enable()
