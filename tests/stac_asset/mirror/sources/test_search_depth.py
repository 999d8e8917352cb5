"""APIs that fail in a later page of a search."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.errors import SourceError
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, rfc3339
from stac_asset.mirror.sources.shorter_windows import shorter_windows
from stac_asset.stac.api_request import ApiRequest
from tests.support.mirror_runs import CONFIG, NOW, run_mirror
from tests.support.search_api import (
    Hook,
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    search_api,
    search_source,
)

START = datetime(2026, 6, 1, tzinfo=UTC)
ITEMS = [
    found_item(
        f"item-{number:02}",
        properties={"datetime": rfc3339(START + timedelta(hours=number))},
    )
    for number in range(60)
]
NAMES = {item["id"] for item in ITEMS}
PAGES = Criteria(page_size=10)
ONCE = replace(CONFIG, http_max_attempts=1)


def fail_at(depth: int) -> Hook:
    """Return a hook that fails searches for items beyond a depth."""
    return lambda request: (
        json_reply({"message": "too deep"}, 500)
        if request.path == "/search" and request.offset + request.limit > depth
        else None
    )


def shuffled() -> list[dict[str, Any]]:
    items = list(ITEMS)
    random.Random(1).shuffle(items)
    return items


@pytest.mark.parametrize("order", ["ascending", "descending", "none"])
@pytest.mark.parametrize("datetime_", [None, "2026-06"])
async def test_items_beyond_the_depth_of_an_api_are_found_in_shorter_times(
    order: str, datetime_: str | None
) -> None:
    items = {"ascending": ITEMS, "descending": ITEMS[::-1], "none": shuffled()}[order]
    with search_api(items, hook=fail_at(20)) as api:
        result = await search_source(api.url, replace(PAGES, datetime=datetime_), ONCE)
        assert (set(result.ids), len(result.ids)) == (NAMES, 60)
        assert (result.source.is_complete, result.source.position) == (True, None)
        assert any("divided into shorter times" in line for line in result.notices)


@pytest.mark.parametrize("way", ["empty page", "no link"])
async def test_items_beyond_a_silent_end_are_found_in_shorter_times(way: str) -> None:
    def end_early(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        page = api.page(request)
        if request.offset >= 15:
            page["links"] = []
            if way == "empty page":
                page["features"] = []
        return json_reply(page)

    with search_api(shuffled(), hook=end_early) as api:
        result = await search_source(api.url, Criteria(page_size=5), ONCE)
    assert (set(result.ids), len(result.ids)) == (NAMES, 60)
    assert result.source.is_complete
    assert "before the number of items that it reports" in result.notices[0]


async def test_items_of_one_time_beyond_a_silent_end_are_reported() -> None:
    def end_early(request: SearchRequest) -> Reply | None:
        page = api.page(request) if request.path == "/search" else {}
        return json_reply(page | {"links": []}) if page else None

    with search_api([found_item(str(number)) for number in range(20)], hook=end_early) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert len(result.ids) == 10
        assert len(api.searches) < 30
    (line,) = result.notices
    assert line == "The API reports more items for a search than it returns: 10 items of ../.."


async def test_outdated_number_of_items_costs_two_small_requests() -> None:
    def outdated(request: SearchRequest) -> Reply | None:
        if request.path != "/search" or "datetime" in request.fields:
            return None
        return json_reply(api.page(request) | {"numberMatched": 99})

    with search_api(ITEMS, hook=outdated) as api:
        result = await search_source(api.url, Criteria(), ONCE)
        assert [request.limit for request in api.searches][-2:] == [1, 1]
        assert len(api.searches) <= 12
    assert (len(result.ids), result.notices, result.source.is_complete) == (60, [], True)


async def test_items_of_one_time_beyond_the_depth_get_few_searches() -> None:
    with search_api([found_item(str(number)) for number in range(60)], hook=fail_at(40)) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert (len(result.ids), result.source.is_complete) == (40, False)
        assert len(api.searches) < 500


async def test_items_around_an_unreadable_item_are_found() -> None:
    def fail(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        is_bad = ITEMS[33] in api.page(request)["features"]
        return json_reply({"message": "bad item"}, 500) if is_bad else None

    with search_api(ITEMS, hook=fail) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert NAMES - set(result.ids) == {"item-33"}
        assert not result.source.is_complete
        (error,) = result.source.errors
        assert str(error).startswith("The search ended after 59 items, which are kept, and no ")


async def test_items_after_an_unreadable_first_item_are_found() -> None:
    def fail(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        is_bad = ITEMS[0] in api.page(request)["features"]
        return json_reply({"message": "bad item"}, 500) if is_bad else None

    with search_api(ITEMS, hook=fail) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert len(api.searches) < 500
    assert NAMES - set(result.ids) == {"item-00"}
    assert not result.source.is_complete


async def test_api_that_ignores_datetime_is_not_searched_in_shorter_times() -> None:
    with search_api(ITEMS, hook=fail_at(20), ignored={"datetime"}) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert len(result.ids) == 20
        assert not result.source.is_complete
        assert len(result.source.errors) == 1
        assert result.source.position is not None
        assert len(api.searches) < 40


async def test_api_that_stops_to_answer_gets_few_further_searches() -> None:
    def stop(request: SearchRequest) -> Reply | None:
        is_late = request.path == "/search" and len(api.searches) > 2
        return json_reply({}, 500) if is_late else None

    with search_api(ITEMS, hook=stop) as api:
        result = await search_source(api.url, PAGES, ONCE)
        assert len(result.ids) == 20
        assert len(api.searches) < 40


async def test_failure_of_the_first_page_raises_source_error() -> None:
    with search_api(ITEMS, hook=fail_at(0)) as api, pytest.raises(SourceError, match="too deep"):
        await search_source(api.url, PAGES, ONCE)


def two_pages_per_run(counts: list[int]) -> Hook:
    """Return a hook that fails after two pages, counted from the last reset of `counts`."""

    def limited(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        if counts[0] >= 2:
            return json_reply({"message": "enough for today"}, 500)
        counts[0] += 1
        return None

    return limited


async def test_next_runs_continue_at_the_failed_page(tmp_path: Path) -> None:
    counts = [0]
    items = [
        replace_time(item, NOW - timedelta(minutes=number)) for number, item in enumerate(ITEMS)
    ]
    with search_api(items, hook=two_pages_per_run(counts)) as api:
        found: set[str] = set()
        for night in range(3):
            counts[0] = 0
            result = await run_mirror(tmp_path, api.url, PAGES, "delete", config=ONCE)
            found |= result.found_ids
            assert len(found) == 20 * (night + 1)
            assert result.removed_ids == set()
        assert found == NAMES
        counts[0] = -1000
        api.items = items[:50]
        result = await run_mirror(tmp_path, api.url, PAGES, "delete", config=ONCE)
        assert len(result.removed_ids) == 10
        assert not (tmp_path / ".mirror" / "positions.json").exists()


async def test_position_is_kept_while_items_are_left(tmp_path: Path) -> None:
    counts = [0]
    with search_api(ITEMS, hook=two_pages_per_run(counts)) as api:
        for _ in range(2):
            counts[0] = 0
            await run_mirror(tmp_path, api.url, PAGES, config=ONCE, limits=RunSizeLimits(5))
        text = json.loads((tmp_path / ".mirror" / "positions.json").read_bytes())
        ((href, method, body),) = [json.loads(value) for value in text.values()]
        assert (href.partition("offset=")[2], method, body) == ("20", "GET", None)


@pytest.mark.parametrize(
    "stored", ["{}", '{"x": 1}', "[1]", '["ftp://a/b", "GET", null]', '["http://a/b", "PUT", {}]']
)
def test_invalid_position_is_ignored(stored: str) -> None:
    assert ApiRequest.from_text(stored) is None


def test_position_with_a_secret_is_not_stored() -> None:
    assert ApiRequest("http://a/b?X-Amz-Signature=1").to_text() is None
    assert ApiRequest("http://a/b", headers={"X-Key": "1"}).to_text() is None
    request = ApiRequest("http://a/b", "POST", {"token": "next"})
    assert ApiRequest.from_text(request.to_text() or "") == request


TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2020, 2, 1), timezones=st.just(UTC))


@given(TIMES, TIMES, st.lists(TIMES))
def test_shorter_windows_cover_the_window(
    first: datetime, last: datetime, times: list[datetime]
) -> None:
    window = Window(min(first, last), max(first, last))
    parts = shorter_windows(window, times)
    if parts:
        assert (parts[0].start, parts[1].end) == (window.start, window.end)
        assert parts[0].end == parts[1].start
        assert window not in parts


def replace_time(item: dict[str, Any], when: datetime) -> dict[str, Any]:
    return item | {"properties": {"datetime": rfc3339(when)}}
