"""Many assets from an origin that fails often: nothing is lost. The full soak is `bench.soak`."""

from __future__ import annotations

from bench.soak import soak


def test_nothing_is_lost_where_one_request_of_twenty_fails() -> None:
    figures = soak(assets=1_000, seed=4)
    assert figures.wrong == []
    assert figures.leftovers == []
    assert figures.errors == []
    assert figures.faults > 25
    assert figures.retries == figures.faults
    # A broken body is continued; only what is sent to a reset connection may be lost.
    assert figures.sent < 1.05 * figures.needed
