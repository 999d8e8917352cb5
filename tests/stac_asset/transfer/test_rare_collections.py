"""New objects are searched for garbage less often in a context."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from stac_asset.transfer.rare_collections import MIN_NEW_OBJECTS, rare_collections


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Restore the thresholds after each test."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_first_threshold_is_raised_in_the_context_only() -> None:
    gc.set_threshold(700, 10, 11)
    with rare_collections():
        assert gc.get_threshold() == (MIN_NEW_OBJECTS, 10, 11)
        with rare_collections():  # Another run.
            pass
        assert gc.get_threshold() == (MIN_NEW_OBJECTS, 10, 11)
    assert gc.get_threshold() == (700, 10, 11)


@pytest.mark.parametrize("first", [0, 2 * MIN_NEW_OBJECTS])
def test_disabled_collector_and_larger_threshold_are_kept(first: int) -> None:
    gc.set_threshold(first, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (first, 10, 10)
    assert gc.get_threshold() == (first, 10, 10)


def test_threshold_that_the_caller_sets_in_the_context_is_kept() -> None:
    with rare_collections():
        gc.set_threshold(500, 5, 5)
    assert gc.get_threshold() == (500, 5, 5)


def test_threshold_is_restored_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="broken"), rare_collections():
        raise ValueError("broken")
    assert gc.get_threshold() == before
