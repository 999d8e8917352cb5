"""Cutting of items into shares, and items that no share can contain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_stac_asset.flows.distribution.shares import (
    Cutter,
    can_be_shared,
    digest_of,
    load_of,
    share_load,
)
from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.types import Candidate, Transfer

MIB = 1024 * 1024


def transfer(href: str = "https://host/a.tif", size: int | None = None, **more: object) -> Transfer:
    candidate = Candidate(href, "s3://bucket/data/i/a.tif")
    made = Transfer("item 'i'", "a", (candidate,), "s3://bucket/data", size=size)
    return replace(made, **more)  # type: ignore[arg-type]


def cut(loads: list[float], size: float) -> list[list[float]]:
    cutter = Cutter[float](size)
    shares = [cutter.add(load, load) for load in loads]
    return [share for share in (*shares, cutter.rest()) if share]


@given(st.lists(st.floats(0, 50)), st.floats(1, 100))
def test_shares_have_all_items_in_order_and_a_bounded_size(loads: list[float], size: float) -> None:
    shares = cut(loads, size)
    assert [load for share in shares for load in share] == loads
    assert all(len(share) == 1 or sum(share) <= size * (1 + 1e-9) for share in shares)
    assert len(shares) <= 2 * sum(loads) / size + 1 + 1e-9


@given(st.floats(0, 1e7))
def test_number_of_shares_of_a_run_is_bounded_until_shares_have_the_maximum_size(
    total: float,
) -> None:
    size = share_load(total)
    assert 1 <= size <= 100
    assert total / size <= 64 * 1.000001 or size == 100


def test_size_of_an_item_counts_bytes_where_known_and_assets_otherwise() -> None:
    assert load_of([transfer()] * 20) == 1
    assert load_of([transfer(size=1024 * MIB), transfer()]) == 4
    assert load_of([]) == 0


@pytest.mark.parametrize(
    "href",
    [
        "/data/a.tif",
        "file:///data/a.tif",
        "https://host/a.tif?X-Amz-Signature=abc",
        "https://account.blob.core.windows.net/c/a.tif?sv=1&sig=abc",
        "https://user:password@host/a.tif",
    ],
)
def test_items_with_local_or_signed_hrefs_cannot_be_shared(href: str) -> None:
    fallback = Candidate(href, "s3://bucket/data/i/a.tif")
    assert not can_be_shared([transfer(), transfer(href)])
    assert not can_be_shared([transfer(candidates=(*transfer().candidates, fallback))])


def test_items_with_other_queries_can_be_shared() -> None:
    assert can_be_shared([transfer("https://host/a.tif?format=tif"), transfer("s3://b/k.tif")])


def unit(item: pystac.Item, *transfers: Transfer) -> Unit:
    return Unit(0, item, transfers)


def test_digest_ignores_replacing_of_files_and_depends_on_document_and_plan() -> None:
    item = pystac.Item("i", None, None, datetime(2026, 6, 1, tzinfo=UTC), {})
    digest = digest_of(unit(item, transfer()))
    assert digest_of(unit(item, transfer(overwrite=True))) == digest
    assert digest_of(unit(item, transfer(verify=True))) == digest
    assert digest_of(unit(item, transfer(size=1))) != digest
    changed = item.clone()
    changed.properties["version"] = "2"
    assert digest_of(unit(changed, transfer())) != digest
