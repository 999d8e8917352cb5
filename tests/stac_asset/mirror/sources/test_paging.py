"""Cycles, repeated pages and empty pages of a STAC API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, count_api_requests, run_mirror, serve_api

NAMES = {f"item-{number}" for number in range(9)}


def serve_endless_pages(
    origin: Origin, first: list[str], matched: int | None, later: list[str]
) -> str:
    """Put an API with 30 pages on the origin. Each page links to a next page.

    Args:
        origin: Origin of the API.
        first: Ids of the items on the first page.
        matched: Value of `numberMatched`, if any.
        later: Ids of the items on each later page.
    """
    href = serve_api(origin, [build_item(origin, name) for name in first], matched=matched)
    for number in range(30):
        path = f"/api/page/{number}" if number else "/api/search"
        page = json.loads(origin.content("/api/search"))
        page["features"] = [build_item(origin, name) for name in (later if number else first)]
        page["links"] = [{"rel": "next", "href": origin.href(f"/api/page/{number + 1}")}]
        origin.put(path, json.dumps(page).encode())
    return href


async def test_page_cycle_ends_the_search_with_an_error(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, name) for name in sorted(NAMES)], page=5)
    page = json.loads(origin.content("/api/page/2"))
    page["links"] = [{"rel": "next", "href": origin.href("/api/page/2")}]
    origin.put("/api/page/2", json.dumps(page).encode())
    result = await run_mirror(tmp_path, href)
    assert (result.found_ids, result.mirror.is_complete) == (NAMES, False)
    (error,) = result.mirror.errors
    assert "links to a next page that was already read" in str(error)


@pytest.mark.parametrize(
    ("matched", "pages", "is_complete"),
    [(None, 10, True), (1, 1, True), (3, 10, False)],
    ids=["unknown total", "complete", "incomplete"],
)
async def test_paging_ends_after_empty_pages(
    origin: Origin, tmp_path: Path, matched: int | None, pages: int, is_complete: bool
) -> None:
    href = serve_endless_pages(origin, ["item-0"], matched, [])
    result = await run_mirror(tmp_path, href)
    assert (result.found_ids, result.mirror.is_complete) == ({"item-0"}, is_complete)
    assert sum("/page/" in path for path in count_api_requests(origin).elements()) == pages


async def test_repeated_pages_end_the_search_with_an_error(origin: Origin, tmp_path: Path) -> None:
    href = serve_endless_pages(origin, ["item-0"], None, ["item-0"])
    result = await run_mirror(tmp_path, href)
    assert (result.found_ids, result.mirror.is_complete) == ({"item-0"}, False)
    assert "10 pages in a row without a new item" in str(result.mirror.errors)
    assert sum("/page/" in path for path in count_api_requests(origin).elements()) == 10


@pytest.mark.parametrize("matched", [9, None])
async def test_empty_page_does_not_end_paging(
    origin: Origin, tmp_path: Path, matched: int | None
) -> None:
    href = serve_api(
        origin, [build_item(origin, name) for name in sorted(NAMES)], page=3, matched=matched
    )
    page = json.loads(origin.content("/api/page/2"))
    empty = page | {"features": [], "links": [{"rel": "next", "href": origin.href("/api/real")}]}
    origin.put("/api/real", origin.content("/api/page/2"))
    origin.put("/api/page/2", json.dumps(empty).encode())
    result = await run_mirror(tmp_path, href)
    assert (result.found_ids, result.mirror.is_complete) == (NAMES, True)
