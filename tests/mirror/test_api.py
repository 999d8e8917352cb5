"""Searches of a STAC API: page by page, patiently, and refused where they make no sense."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin, Redirect, Status, Truncate
from tests.mirror.nights import CONFIG, CONFORMS, check_catalog, item_of, put_api, run

NAMES = {f"item-{number}" for number in range(9)}


def counts(origin: Origin) -> Counter[str]:
    return Counter(request.path for request in origin.gets("/api/*"))


async def test_page_that_fails_is_asked_for_again_and_the_others_are_not(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_api(origin, [item_of(origin, name) for name in sorted(NAMES)], page=2)
    origin.fault("/api/page/3", Status(503))
    origin.fault("/api/page/3", Truncate(after=50))
    ran = await run(tmp_path, href)
    assert ran.found == NAMES
    found = counts(origin)
    assert found.pop("/api/page/3") == 3
    assert {
        path: count for path, count in found.items() if "/page/" in path or "search" in path
    } == {
        "/api/search": 1,
        "/api/page/2": 1,
        "/api/page/4": 1,
        "/api/page/5": 1,
    }
    check_catalog(tmp_path, NAMES)


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"[]", b'{"message": "timeout"}', b'{"features": null}']
)
async def test_page_that_is_none_is_asked_for_again(
    origin: Origin, tmp_path: Path, body: bytes
) -> None:
    href = put_api(origin, [item_of(origin, name) for name in sorted(NAMES)], page=5)
    origin.fault("/api/page/2", Status(200, body=body))
    assert (await run(tmp_path, href)).found == NAMES
    assert counts(origin)["/api/page/2"] == 2


async def test_search_that_breaks_off_changes_nothing(origin: Origin, tmp_path: Path) -> None:
    items = [item_of(origin, name) for name in sorted(NAMES)]
    href = put_api(origin, items, page=5)
    await run(tmp_path, href)
    origin.fault("/api/page/2", Status(500), times=0)
    with pytest.raises(SourceError, match=r"Request to the API '.*' failed: 500 .*/api/page/2"):
        await run(tmp_path, href, on_removed="delete")
    check_catalog(tmp_path, NAMES)
    assert counts(origin)["/api/page/2"] == 1 + CONFIG.http_max_attempts


async def test_search_that_was_cut_short_removes_nothing(origin: Origin, tmp_path: Path) -> None:
    items = [item_of(origin, name) for name in sorted(NAMES)]
    href = put_api(origin, items)
    await run(tmp_path, href)
    put_api(origin, items[:5], matched=9)
    ran = await run(tmp_path, href, on_removed="delete")
    assert (len(ran.found), ran.mirror.is_complete, ran.gone) == (5, False, set())
    put_api(origin, items[:5], matched=5)
    ran = await run(tmp_path, href, on_removed="delete")
    assert ran.gone == {item["id"] for item in items[5:]}


async def test_pages_that_go_round_in_circles_end(origin: Origin, tmp_path: Path) -> None:
    href = put_api(origin, [item_of(origin, name) for name in sorted(NAMES)], page=5)
    page = json.loads(origin.content("/api/page/2"))
    page["links"] = [{"rel": "next", "href": origin.href("/api/page/2")}]
    origin.put("/api/page/2", json.dumps(page).encode())
    with pytest.raises(SourceError, match="links to a next page that was already read"):
        await run(tmp_path, href)


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        (Criteria(collections=("things", "nothings")), "`search.collections` names 'nothings'"),
        (Criteria(filter="a = 1"), "`search.filter` is not supported by the API"),
        (Criteria(filter="[1]"), "`search.filter` is JSON, but not an object"),
        (Criteria(query={"a": {"eq": 1}}), "`search.query` is not supported by the API"),
    ],
)
async def test_search_that_the_api_cannot_answer_is_refused_first(
    origin: Origin, tmp_path: Path, criteria: Criteria, names: str
) -> None:
    href = put_api(origin, [item_of(origin, "a")])
    origin.remove("/api/collections/nothings")
    with pytest.raises(ConfigError, match=names) as caught:
        await run(tmp_path / "m", href, criteria)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "m").exists()
    assert counts(origin)["/api/search"] == 0


async def test_search_is_sent_as_it_was_asked_for(origin: Origin, tmp_path: Path) -> None:
    conforms = [
        f"https://api.stacspec.org/v1.0.0/item-search{end}" for end in ("#filter", "#query")
    ]
    href = put_api(origin, [], conforms=CONFORMS + conforms)
    criteria = Criteria(
        collections=("things",),
        ids=("a", "b"),
        bbox=(1.5, 2, 3, 4),
        datetime="last 10 days",
        filter="eo:cloud_cover < 20",
        query={"a": {"eq": 1}},
        sortby=("-properties.datetime",),
        page_size=7,
    )
    await run(tmp_path, href, criteria)
    (asked,) = origin.gets("/api/search")
    assert dict(parse_qsl(asked.query)) == {
        "collections": "things",
        "ids": "a,b",
        "bbox": "1.5,2.0,3.0,4.0",
        "datetime": "2026-05-30T00:00:00Z/2026-06-10T00:00:00Z",
        "filter": "eo:cloud_cover < 20",
        "filter-lang": "cql2-text",
        "query": '{"a":{"eq":1}}',
        "sortby": "-properties.datetime",
        "limit": "7",
    }


async def test_refusal_says_what_the_api_said(origin: Origin, tmp_path: Path) -> None:
    href = put_api(origin, [item_of(origin, "a")])
    origin.fault("/api/search", Status(400, body=b"bad sortby: no such field"), times=0)
    with pytest.raises(SourceError, match=r"400 .*bad sortby: no such field"):
        await run(tmp_path, href, Criteria(sortby=("nothing",)))
    assert counts(origin)["/api/search"] == 1


async def test_headers_go_to_the_api_and_to_no_other_host(origin: Origin, tmp_path: Path) -> None:
    config = replace(CONFIG, http_headers={"X-Key": "secret"})
    config.http_headers_hosts = [origin.url]
    with Origin() as other:
        item = item_of(other, "a")
        href = put_api(origin, [item, item_of(other, "b")], page=1)
        origin.require("X-Key", "secret", "/api*")
        moved = other.put("/page/2", origin.content("/api/page/2"))
        origin.fault("/api/page/2", Redirect(moved), times=0)
        assert (await run(tmp_path, href, config=config)).failed == []
        assert {request.headers.get("x-key") for request in origin.gets()} == {"secret"}
        assert other.gets("/page/2")
        assert all("x-key" not in request.headers for request in other.requests)


async def test_signed_hrefs_are_stored_unsigned(origin: Origin, tmp_path: Path) -> None:
    item = item_of(origin, "a")
    item["assets"]["data"]["href"] += "&X-Amz-Signature=SECRET"
    href = put_api(origin, [item])
    await run(tmp_path, href)
    item["assets"]["data"]["href"] = item["assets"]["data"]["href"].replace("SECRET", "OTHER")
    put_api(origin, [item])
    assert (await run(tmp_path, href)).taken == {}
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"SECRET" not in stored
    assert b"OTHER" not in stored


def endless(origin: Origin, first: list[str], matched: int | None, later: list[str]) -> str:
    """Puts an API on the origin whose pages always name a next one, for 30 pages."""
    href = put_api(origin, [item_of(origin, name) for name in first], matched=matched)
    for number in range(30):
        path = f"/api/page/{number}" if number else "/api/search"
        page = json.loads(origin.content("/api/search"))
        page["features"] = [item_of(origin, name) for name in (later if number else first)]
        page["links"] = [{"rel": "next", "href": origin.href(f"/api/page/{number + 1}")}]
        origin.put(path, json.dumps(page).encode())
    return href


@pytest.mark.parametrize(
    ("matched", "pages", "is_whole"),
    [(None, 1, True), (1, 1, True), (3, 10, False)],
    ids=["unknown", "all there", "some missing"],
)
async def test_empty_pages_that_always_name_a_next_one_end(
    origin: Origin, tmp_path: Path, matched: int | None, pages: int, is_whole: bool
) -> None:
    href = endless(origin, ["item-0"], matched, [])
    ran = await run(tmp_path, href)
    assert (ran.found, ran.mirror.is_complete) == ({"item-0"}, is_whole)
    assert sum("/page/" in path for path in counts(origin).elements()) == pages


async def test_pages_that_say_the_same_for_ever_end(origin: Origin, tmp_path: Path) -> None:
    href = endless(origin, ["item-0"], None, ["item-0"])
    with pytest.raises(SourceError, match="10 pages in a row without a new item"):
        await run(tmp_path, href)
    assert sum("/page/" in path for path in counts(origin).elements()) == 10


async def test_page_on_which_nothing_is_left_hides_no_later_one(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_api(origin, [item_of(origin, name) for name in sorted(NAMES)], page=3, matched=9)
    page = json.loads(origin.content("/api/page/2"))
    empty = page | {"features": [], "links": [{"rel": "next", "href": origin.href("/api/real")}]}
    origin.put("/api/real", origin.content("/api/page/2"))
    origin.put("/api/page/2", json.dumps(empty).encode())
    ran = await run(tmp_path, href)
    assert (ran.found, ran.mirror.is_complete) == (NAMES, True)
