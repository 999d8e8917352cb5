"""Search requests to a STAC API, and the handling of errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin, Redirect, Status, Truncate
from tests.support.mirror_runs import (
    CONFIG,
    CONFORMS,
    build_collection,
    build_item,
    check_catalog,
    count_api_requests,
    run_mirror,
    serve_api,
)
from tests.support.search_api import (
    CLOSE,
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    search_api,
    search_source,
)

NAMES = {f"item-{number}" for number in range(9)}


async def test_only_failed_page_is_requested_again(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, name) for name in sorted(NAMES)], page=2)
    origin.fault("/api/page/3", Status(503))
    origin.fault("/api/page/3", Truncate(after=50))
    result = await run_mirror(tmp_path, href)
    assert result.found_ids == NAMES
    counts = count_api_requests(origin)
    assert counts.pop("/api/page/3") == 3
    assert {
        path: count for path, count in counts.items() if "/page/" in path or "search" in path
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
async def test_invalid_page_is_requested_again(origin: Origin, tmp_path: Path, body: bytes) -> None:
    href = serve_api(origin, [build_item(origin, name) for name in sorted(NAMES)], page=5)
    origin.fault("/api/page/2", Status(200, body=body))
    assert (await run_mirror(tmp_path, href)).found_ids == NAMES
    assert count_api_requests(origin)["/api/page/2"] == 2


async def test_failed_first_page_keeps_mirror_unchanged(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, name) for name in sorted(NAMES)]
    href = serve_api(origin, items)
    await run_mirror(tmp_path, href)
    origin.fault("/api/search", Status(500), times=0)
    with pytest.raises(SourceError, match=r"Request to the API '.*' failed: 500 .*/api/search"):
        await run_mirror(tmp_path, href, on_removed="delete")
    check_catalog(tmp_path, NAMES)


async def test_failed_later_page_keeps_found_items_and_removes_none(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in sorted(NAMES)]
    href = serve_api(origin, items, page=5)
    await run_mirror(tmp_path, href)
    new = build_item(origin, "new")
    serve_api(origin, [new, *items], page=5)
    origin.fault("/api/page/2", Status(500), times=0)
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.reasons, result.removed_ids) == ({"new": "NEW"}, set())
    (error,) = result.mirror.errors
    assert str(error).startswith("The search ended after 5 items, which are kept, and no item is ")
    assert "500 Internal Server Error" in str(error)
    check_catalog(tmp_path, NAMES | {"new"})
    # The search is repeated for shorter times, until an item outside of these times appears.
    assert count_api_requests(origin)["/api/page/2"] == 1 + 5 * CONFIG.http_max_attempts


async def test_search_that_ended_is_complete_whatever_number_the_api_reports(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in sorted(NAMES)]
    href = serve_api(origin, items)
    await run_mirror(tmp_path, href)
    serve_api(origin, items[:5], matched=9)
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (len(result.found_ids), result.mirror.is_complete) == (5, True)
    assert result.removed_ids == {item["id"] for item in items[5:]}


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (Criteria(collections=("things", "nothings")), "`search.collections` names 'nothings'"),
        (Criteria(filter="a = 1"), "`search.filter` is not supported by the API"),
        (Criteria(filter="[1]"), "`search.filter` is JSON, but not an object"),
        (Criteria(query={"a": {"eq": 1}}), "`search.query` is not supported by the API"),
    ],
)
async def test_unsupported_search_is_rejected_before_request(
    origin: Origin, tmp_path: Path, criteria: Criteria, message: str
) -> None:
    href = serve_api(origin, [build_item(origin, "a")])
    origin.remove("/api/collections/nothings")
    with pytest.raises(ConfigError, match=message) as error_info:
        await run_mirror(tmp_path / "m", href, criteria)
    assert "\n" not in str(error_info.value)
    assert not (tmp_path / "m").exists()
    assert count_api_requests(origin)["/api/search"] == 0


async def test_search_request_contains_all_criteria(origin: Origin, tmp_path: Path) -> None:
    conforms = [
        f"https://api.stacspec.org/v1.0.0/item-search{end}" for end in ("#filter", "#query")
    ]
    href = serve_api(origin, [], conforms=CONFORMS + conforms)
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
    await run_mirror(tmp_path, href, criteria)
    (request,) = origin.gets("/api/search")
    assert dict(parse_qsl(request.query)) == {
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


async def test_error_contains_response_text_of_api(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, "a")])
    origin.fault("/api/search", Status(400, body=b"bad sortby: no such field"), times=0)
    with pytest.raises(SourceError, match=r"400 .*bad sortby: no such field"):
        await run_mirror(tmp_path, href, Criteria(sortby=("nothing",)))
    assert count_api_requests(origin)["/api/search"] == 9, "smaller pages are refused too"


async def test_error_contains_no_secret_that_the_api_repeats(
    origin: Origin, tmp_path: Path
) -> None:
    config = replace(CONFIG, http_headers={"Authorization": "Bearer s3cr3t/t0ken"})
    config.http_headers_hosts = [origin.url]
    href = serve_api(origin, [build_item(origin, "a")])
    origin.fault("/api/search", Status(400, body=b'{"token": "s3cr3t/t0ken"}'), times=0)
    with pytest.raises(SourceError, match=r'400 .*"token": "\*\*\*"'):
        await run_mirror(tmp_path, href, Criteria(sortby=("nothing",)), config=config)


async def test_headers_are_sent_only_to_configured_host(origin: Origin, tmp_path: Path) -> None:
    config = replace(CONFIG, http_headers={"X-Key": "secret"})
    config.http_headers_hosts = [origin.url]
    with Origin() as other:
        item = build_item(other, "a")
        href = serve_api(origin, [item, build_item(other, "b")], page=1)
        origin.require("X-Key", "secret", "/api*")
        moved = other.put("/page/2", origin.content("/api/page/2"))
        origin.fault("/api/page/2", Redirect(moved), times=0)
        assert (await run_mirror(tmp_path, href, config=config)).failed_ids == []
        assert {request.headers.get("x-key") for request in origin.gets()} == {"secret"}
        assert other.gets("/page/2")
        assert all("x-key" not in request.headers for request in other.requests)


async def test_signed_hrefs_are_stored_unsigned(origin: Origin, tmp_path: Path) -> None:
    item = build_item(origin, "a")
    item["assets"]["data"]["href"] += "&X-Amz-Signature=SECRET"
    href = serve_api(origin, [item])
    await run_mirror(tmp_path, href)
    item["assets"]["data"]["href"] = item["assets"]["data"]["href"].replace("SECRET", "OTHER")
    serve_api(origin, [item])
    assert (await run_mirror(tmp_path, href)).reasons == {}
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"SECRET" not in stored
    assert b"OTHER" not in stored


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({}, 500),
        json_reply({}, 401),
        json_reply({}, 400),
        json_reply({"code": "NotFound"}),
        json_reply(build_collection("other")),
        (404, {}, b"<html>"),
        (200, {}, b"<html>"),
        CLOSE,
    ],
)
async def test_unreadable_collection_does_not_end_the_search(reply: Reply) -> None:
    def hook(request: SearchRequest) -> Reply | None:
        return reply if request.path.startswith("/collections") else None

    with search_api([found_item("a")], hook=hook) as api:
        result = await search_source(api.url, Criteria(collections=("things",)))
        assert (result.ids, result.source.is_complete) == (["a"], True)
        count = len(api.requests)
        with pytest.raises(SourceError):
            await result.source.collection("things")
        assert len(api.requests) == count
    assert "without a check of its id: collection 'things'" in result.notices[0]


async def test_collection_id_with_slash_is_searched() -> None:
    with search_api([found_item("a", "x/y")]) as api:
        assert (await search_source(api.url, Criteria(collections=("x/y",)))).ids == ["a"]


async def test_api_without_collections_is_searched() -> None:
    def hook(request: SearchRequest) -> Reply | None:
        search = {"rel": "search", "href": f"{api.url}/search"}
        landing = {"id": "api", "conformsTo": CONFORMS, "links": [search]}
        replies = {"/": json_reply(landing), "/collections/things": json_reply({}, 404)}
        return replies.get(request.path)

    with search_api([found_item("a")], hook=hook) as api:
        result = await search_source(f"{api.url}/", Criteria(collections=("things",)))
    assert result.ids == ["a"]


async def test_id_that_is_not_valid_unicode_does_not_end_the_search() -> None:
    with search_api([found_item("a"), found_item("\ud800"), found_item("b")]) as api:
        result = await search_source(api.url)
    assert result.ids == ["a", "b"]
