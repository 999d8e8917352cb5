"""Soak test: many assets from an origin with frequent faults. The full test is `bench.soak`."""

from __future__ import annotations

from bench.soak import soak


def test_all_assets_are_complete_if_one_of_twenty_requests_fails() -> None:
    figures = soak(assets=1_000, seed=4)
    assert figures.wrong == []
    assert figures.leftovers == []
    assert figures.errors == []
    assert figures.faults > 25
    assert figures.retries == figures.faults
    # A truncated body is resumed. Only bytes that were sent to a reset connection may be lost.
    assert figures.sent < 1.05 * figures.needed
