"""APIs that do not return large pages."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from stac_asset.errors import SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key
from tests.support.mirror_runs import CONFIG
from tests.support.search_api import (
    CLOSE,
    Hook,
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    lookup,
    open_api,
    search_api,
    search_source,
)

NAMES = [f"item-{number:03}" for number in range(60)]
ITEMS = [found_item(name) for name in NAMES]


def refuse_above(largest: int, reply: Reply) -> Hook:
    """Return a hook that refuses searches for pages of more items."""
    return lambda request: reply if request.path == "/search" and request.limit > largest else None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [400, 413, 422, 500, 502, 504])
async def test_refused_page_size_is_halved_and_remembered(method: str, status: int) -> None:
    hook = refuse_above(31, json_reply({"message": "too large"}, status))
    with search_api(ITEMS, methods=(method,), hook=hook) as api:
        result = await search_source(api.url)
        assert (result.ids, result.source.is_complete) == (NAMES, True)
        limits = [request.limit for request in api.searches]
        assert sorted(set(limits), reverse=True) == [500, 250, 125, 62, 31]
        assert limits[-2:] == [31, 31], "the next page has the accepted size"
        assert "31 instead of 500 items per page" in result.notices[0]


async def test_accepted_page_size_is_used_for_later_searches() -> None:
    hook = refuse_above(20, json_reply({}, 413))
    with search_api(ITEMS, hook=hook) as api:
        async with open_api(api.url) as source:
            assert len([item async for item in source.items(Criteria(), Window())]) == 60
            api.requests.clear()
            keys = [Key("things", name) for name in NAMES[:40]]
            assert [item.key async for item in source.items_by_id(keys)] == keys
            assert {request.limit for request in api.searches} == {15}


@pytest.mark.parametrize("matched", [True, False])
async def test_empty_page_in_place_of_large_page_is_halved(matched: bool) -> None:
    empty = {"type": "FeatureCollection", "features": []} | (
        {"numberMatched": 60} if matched else {}
    )
    hook = refuse_above(100, json_reply(empty))
    with search_api(ITEMS, reports_matched=matched, hook=hook) as api:
        assert (await search_source(api.url)).ids == NAMES


async def test_search_without_results_is_complete_after_a_small_page() -> None:
    with search_api([], reports_matched=False) as api:
        result = await search_source(api.url)
        assert (result.ids, result.source.is_complete, result.notices) == ([], True, [])
        assert [request.limit for request in api.searches] == [500, 7]


async def test_search_without_matching_items_needs_one_request() -> None:
    with search_api([]) as api:
        assert (await search_source(api.url)).source.is_complete
        assert len(api.searches) == 1


async def test_page_that_takes_too_long_is_halved() -> None:
    released = threading.Event()

    def hang(request: SearchRequest) -> Reply | None:
        if request.path == "/search" and request.limit > 30:
            released.wait(30)
        return None

    with search_api(ITEMS, hook=hang) as api:
        try:
            config = replace(CONFIG, http_read_timeout=0.2)
            result = await search_source(api.url, Criteria(page_size=60), config)
        finally:
            released.set()
        assert result.ids == NAMES


@pytest.mark.parametrize("first_number", [0, 1])
async def test_smaller_pages_begin_at_the_same_item_with_page_numbers(first_number: int) -> None:
    def numbered(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        number = int(request.fields.get("page", first_number))
        start = (number - first_number) * request.limit
        found = ITEMS[start : start + request.limit]
        if request.limit > 3 and ITEMS[41] in found:
            return json_reply({"message": "too large"}, 502)
        links = []
        if start + request.limit < len(ITEMS):
            href = f"/search?limit={request.limit}&page={number + 1}"
            links = [{"rel": "next", "href": href}]
        return json_reply({"features": found, "links": links})

    with search_api(ITEMS, hook=numbered) as api:
        result = await search_source(api.url, Criteria(page_size=20))
        assert result.ids == NAMES


async def test_error_of_the_largest_page_is_reported() -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        return json_reply({"message": f"bad sortby at {request.limit}"}, 400)

    with (
        search_api([], hook=refuse) as api,
        pytest.raises(SourceError, match=r"400 .*bad sortby at 500"),
    ):
        await search_source(api.url)


async def test_busy_server_is_not_asked_for_smaller_pages() -> None:
    answers = iter([429, 429])

    def busy(request: SearchRequest) -> Reply | None:
        status = next(answers, None) if request.path == "/search" else None
        return json_reply({"message": "slow down"}, status) if status else None

    with search_api(ITEMS[:1], hook=busy) as api:
        assert (await search_source(api.url)).ids == NAMES[:1]
        assert [request.limit for request in api.searches] == [500, 500, 500]


async def test_server_that_recovers_late_gets_all_attempts() -> None:
    answers = iter([503] * 12)

    def fail(request: SearchRequest) -> Reply | None:
        status = next(answers, None) if request.path == "/search" else None
        return json_reply({}, status) if status else None

    with search_api(ITEMS, hook=fail) as api:
        config = replace(CONFIG, http_max_attempts=10, retry_wait=0.001)
        assert (await search_source(api.url, config=config)).ids == NAMES
        assert api.searches[-1].limit == 500


async def test_lookup_works_with_small_pages() -> None:
    hook = refuse_above(5, json_reply({}, 502))
    with search_api(ITEMS, hook=hook) as api:
        keys = [Key("things", name) for name in [*NAMES, "gone"]]
        assert await lookup(api.url, keys) == (set(NAMES), set())


async def test_empty_first_page_with_a_next_link_is_halved() -> None:
    def empty(request: SearchRequest) -> Reply | None:
        if request.path != "/search" or request.limit <= 100:
            return None
        links = [{"rel": "next", "href": f"{request.target}&more=1"}]
        return json_reply({"features": [], "numberMatched": 60, "links": links})

    with search_api(ITEMS, hook=empty) as api:
        assert (await search_source(api.url)).ids == NAMES


async def test_closed_connection_in_place_of_large_page_is_halved() -> None:
    # A response without a status line: the server closes the connection.
    hook = refuse_above(100, CLOSE)
    with search_api(ITEMS, hook=hook) as api:
        assert (await search_source(api.url)).ids == NAMES
