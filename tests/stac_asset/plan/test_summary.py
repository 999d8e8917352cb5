"""Totals, prices and reasons of a plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.plan.prices import price_of
from stac_asset.plan.reasons import Reason, item_reason
from stac_asset.plan.summary import MAX_ITEMS, PlannedAsset, PlannedItem, PlanTotals, Speed

PRICES = {"example.com": 1.0, "*.example.com": 2.0, "*.a.example.com": 3.0, "bucket": 4.0}


def planned_asset(key: str, reason: Reason | None, **fields: Any) -> PlannedAsset:
    """Return a planned asset of the item `i`."""
    action = "fail" if reason is None else "skip" if reason is Reason.PRESENT else "download"
    return PlannedAsset("item 'i'", key, action, reason=reason, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("assets", "expected"),
    [
        ([], None),
        ([None], None),
        ([None, Reason.PRESENT], Reason.PRESENT),
        ([Reason.NEW, None], Reason.NEW),
        ([Reason.NEW, Reason.PRESENT], Reason.FILES_MISSING),
        ([Reason.NEW, Reason.CHANGED, Reason.PRESENT], Reason.CHANGED),
        ([Reason.CHANGED, Reason.RETRY], Reason.RETRY),
        ([Reason.OVERWRITE, Reason.NEW], Reason.OVERWRITE),
    ],
)
def test_reason_of_item_follows_from_its_assets(
    assets: list[Reason | None], expected: Reason | None
) -> None:
    assert item_reason(assets) is expected


@pytest.mark.parametrize(
    ("href", "price"),
    [
        ("https://example.com/a", 1.0),
        ("https://EXAMPLE.com:8443/a", 1.0),
        ("https://b.example.com/a", 2.0),
        ("https://a.example.com/a", 2.0),
        ("https://b.a.example.com/a", 3.0),
        ("s3://bucket/a", 4.0),
        ("https://badexample.com/a", 0.0),
        ("/data/a.tif", 0.0),
        ("", 0.0),
    ],
)
def test_most_specific_price_of_host_counts(href: str, price: float) -> None:
    assert price_of(href, PRICES) == price
    if price or not href.startswith("http"):
        assert price_of(href, PRICES | {"*": 9.0}) == price
    else:
        assert price_of(href, PRICES | {"*": 9.0}) == 9.0


@pytest.mark.parametrize("host", ["", "*.", "a*b", "https://example.com", "*.*"])
def test_names_of_prices_must_be_hosts(host: str) -> None:
    with pytest.raises(ConfigError, match=r"`price_per_gb`: '.*' is not a host"):
        Config(price_per_gb={host: 1.0}).validate()


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf")])
def test_prices_must_be_positive_numbers(price: float) -> None:
    with pytest.raises(ConfigError, match="`price_per_gb` must be 0 or more for host 'a'"):
        Config(price_per_gb={"a": price}).validate()


def test_expected_speed_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="`expected_speed` must be more than 0"):
        Config(expected_speed=0).validate()


def test_totals_count_bytes_requests_and_cost() -> None:
    totals = PlanTotals(PRICES, slots=4)
    gigabyte = 10**9
    totals.add(
        "i",
        [
            planned_asset("a", Reason.NEW, size=2 * gigabyte, href="https://example.com/a"),
            planned_asset("b", Reason.NEW, href="https://example.com/b"),
            planned_asset("c", Reason.PRESENT, size=gigabyte, href="https://example.com/c"),
            planned_asset("d", None),
        ],
    )
    totals.add("j", [planned_asset("a", Reason.PRESENT, size=5)])
    totals.add_present(3)
    found = totals.summary()
    assert found.items == {"files missing": 1, "present": 4}
    assert found.assets == {"new": 2, "present": 2, "cannot be downloaded": 1}
    assert (found.bytes, found.unknown, found.requests) == (2 * gigabyte, 1, 2)
    assert (found.cost, found.seconds) == (2.0, None)
    assert found.rows == (PlannedItem("i", None, "files missing", 2, None),)
    assert found.changes == 1
    assert str(found) == (
        "Items: 1 files missing, 4 present. 2 files to download (2,000,000,000 bytes, 1 files of "
        "unknown size), cost 2.00"
    )


def test_duration_is_unknown_without_speed() -> None:
    totals = PlanTotals({}, slots=4)
    assert totals.summary().seconds == 0.0  # There is nothing to download.
    totals.add("i", [planned_asset("a", Reason.NEW, size=1000)])
    assert (totals.summary().seconds, totals.summary().cost) == (None, None)


def test_duration_is_estimated_from_earlier_run_or_option() -> None:
    assets = [planned_asset(key, Reason.NEW, size=1000) for key in "abc"]
    totals = PlanTotals({}, slots=2, speed=Speed(bytes=100, seconds=10, files=5))
    totals.add("i", assets)
    assert totals.summary().seconds == 150.0  # 3,000 bytes at 10 bytes per second, in two slots.
    totals = PlanTotals({}, slots=2, expected_speed=100.0)
    totals.add("i", assets)
    assert totals.summary().seconds == 30.0
    totals.add("j", [planned_asset("a", Reason.NEW)])
    assert totals.summary().seconds is None  # The size of a file is unknown.


def test_listed_items_are_limited_and_counts_are_not() -> None:
    totals = PlanTotals({}, slots=2)
    for _ in range(MAX_ITEMS + 5):
        totals.add("i", [planned_asset("a", Reason.NEW, size=1)])
    found = totals.summary()
    assert (len(found.rows), found.items, found.bytes) == (MAX_ITEMS, {"new": 1005}, 1005)


@given(
    st.integers(0, 10**15),
    st.floats(0, 10**9),
    st.integers(0, 10**6),
    st.integers(0, 10**15),
    st.integers(0, 10**6),
    st.integers(-1, 64),
)
def test_estimate_is_none_or_a_positive_number(
    received: int, seconds: float, files: int, size: int, wanted: int, slots: int
) -> None:
    found = Speed(received, seconds, files).estimate(size, 0, wanted, slots)
    assert found is None or 0 <= found < float("inf")
