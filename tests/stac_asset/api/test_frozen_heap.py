"""The objects of a large plan are excluded from garbage collection during the transfers only."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest
from yarl import URL

from stac_asset import Client, Config, StacAssetError, download_item
from stac_asset.api.frozen_heap import MIN_TRANSFERS, _lock, frozen_heap
from stac_asset.transfer.rare_collections import MIN_NEW_OBJECTS
from stac_asset.types import MessageQueue
from tests.support.processes import block_until


class _BrokenClient(Client):
    """Counts the frozen objects during the first request, and fails."""

    name = "broken"
    frozen: int | None = None

    def claims(self, url: URL) -> bool:
        return True

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        if self.frozen is None:
            self.frozen = gc.get_freeze_count()
        raise StacAssetError("the source is broken")
        yield


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


@pytest.mark.parametrize("transfers", [2, MIN_TRANSFERS])
async def test_heap_is_frozen_during_the_transfers_of_a_large_run_only(
    tmp_path: Path, config: Config, transfers: int
) -> None:
    item = pystac.Item("item", None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
    for number in range(transfers):
        item.add_asset(str(number), pystac.Asset(f"https://example.com/{number}.tif"))
    client = _BrokenClient()
    config.fail_fast = True
    with pytest.raises(StacAssetError, match="the source is broken"):
        await download_item(item, tmp_path, config=config, clients=[client])
    assert client.frozen is not None
    assert (client.frozen > 0) is (transfers == MIN_TRANSFERS)


def test_garbage_made_in_the_context_is_collected() -> None:
    with frozen_heap(MIN_TRANSFERS):
        found = weakref.ref(_Node())
        gc.collect()
        assert found() is None


def test_objects_of_the_caller_stay_frozen() -> None:
    gc.freeze()
    try:
        with frozen_heap(MIN_TRANSFERS):
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_nothing_is_frozen_if_the_caller_has_disabled_the_collector() -> None:
    gc.disable()
    try:
        with frozen_heap(MIN_TRANSFERS):
            assert not gc.get_freeze_count()
    finally:
        gc.enable()


def test_new_objects_are_visited_less_often_in_a_large_run_only() -> None:
    before = gc.get_threshold()
    with frozen_heap(2):
        assert gc.get_threshold() == before
    with frozen_heap(MIN_TRANSFERS):
        assert gc.get_threshold() == (MIN_NEW_OBJECTS, *before[1:])
        with frozen_heap(MIN_TRANSFERS):  # Another run.
            assert gc.get_threshold() == (MIN_NEW_OBJECTS, *before[1:])
        assert gc.get_threshold() == (MIN_NEW_OBJECTS, *before[1:])
    assert gc.get_threshold() == before


def test_threshold_that_the_caller_sets_during_a_run_is_kept() -> None:
    before = gc.get_threshold()
    try:
        with frozen_heap(MIN_TRANSFERS):
            gc.set_threshold(500, 5, 5)
        assert gc.get_threshold() == (500, 5, 5)
    finally:
        gc.set_threshold(*before)


def test_higher_threshold_of_the_caller_is_kept() -> None:
    before = gc.get_threshold()
    gc.set_threshold(2 * MIN_NEW_OBJECTS)
    try:
        with frozen_heap(MIN_TRANSFERS):
            assert gc.get_threshold()[0] == 2 * MIN_NEW_OBJECTS
    finally:
        gc.set_threshold(*before)


def test_nothing_is_frozen_if_the_caller_has_disabled_the_collector_by_its_threshold() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with frozen_heap(MIN_TRANSFERS):
            assert not gc.get_freeze_count()
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_run_that_starts_at_the_end_of_another_restores_the_threshold() -> None:
    before = gc.get_threshold()

    def run() -> None:
        with frozen_heap(MIN_TRANSFERS):
            pass

    second = threading.Thread(target=run)

    def is_starting() -> bool:
        return sys._current_frames()[second.ident or 0].f_code.co_name == "_freeze"

    with ExitStack() as first:
        first.enter_context(frozen_heap(MIN_TRANSFERS))
        with _lock:
            second.start()
            block_until(is_starting)
            first.close()
    second.join()
    assert gc.get_threshold() == before
