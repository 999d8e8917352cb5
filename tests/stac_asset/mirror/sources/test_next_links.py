"""Links between the pages of a search."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from yarl import URL

from stac_asset.errors import SourceError
from stac_asset.hrefs import with_scheme_of
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.stac.api_request import ApiRequest, following
from tests.support.mirror_runs import CONFIG
from tests.support.search_api import (
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    search_api,
    search_source,
)

ITEMS = [found_item(f"item-{number}") for number in range(5)]
NAMES = [item["id"] for item in ITEMS]
PAGE = "https://api.example/stac/search?limit=2"
GET = ApiRequest(PAGE)
POST = ApiRequest(
    "https://api.example/stac/search", "POST", {"ids": ["a"], "limit": 2}, {"X-Token": "1"}
)


def next_of(link: dict[str, Any], request: ApiRequest = GET, page: str = PAGE) -> ApiRequest:
    return following({"rel": "next", **link}, request, page, ())


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("?token=next:a/b", "https://api.example/stac/search?token=next:a/b"),
        ("search?page=2", "https://api.example/stac/search?page=2"),
        ("../v2/page", "https://api.example/v2/page"),
        ("/page", "https://api.example/page"),
        ("//api.example/page", "https://api.example/page"),
        (" https://api.example:443/page ", "https://api.example:443/page"),
        ("http://api.example/page", "https://api.example/page"),
    ],
)
def test_next_page_is_resolved_against_its_page(href: str, expected: str) -> None:
    assert next_of({"href": href}).href == expected


@pytest.mark.parametrize(
    ("link", "method", "body", "headers"),
    [
        ({"method": "POST", "body": {"token": "t"}}, "POST", {"token": "t"}, {}),
        (
            {"method": "post", "body": {"token": "t"}, "merge": True},
            "POST",
            {"ids": ["a"], "limit": 2, "token": "t"},
            {"X-Token": "1"},
        ),
        ({"body": {"token": "t"}}, "POST", {"token": "t"}, {}),
        (
            {"body": {"token": "t"}, "merge": True},
            "POST",
            {"ids": ["a"], "limit": 2, "token": "t"},
            {"X-Token": "1"},
        ),
        ({"method": "POST"}, "POST", {"ids": ["a"], "limit": 2}, {}),
        ({"method": "POST", "body": "text"}, "POST", {"ids": ["a"], "limit": 2}, {}),
        ({"headers": {"X-Page": 2}}, "GET", None, {"X-Page": "2"}),
        ({"method": None, "headers": []}, "GET", None, {}),
        (
            {"headers": {"Host": "x", "Content-Length": 1, "X": None, "Y": ["a"]}},
            "GET",
            None,
            {"Y": "a"},
        ),
    ],
)
def test_next_link_defines_method_body_and_headers(
    link: dict[str, Any], method: str, body: dict[str, Any] | None, headers: dict[str, str]
) -> None:
    request = next_of({"href": "/page", **link}, POST)
    assert (request.method, request.body, dict(request.headers)) == (method, body, headers)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"href": "https://other.example/page"}, "another origin, 'https://other.example/page'"),
        ({"href": "https://api.example:8443/page"}, "another origin"),
        ({"href": "s3://bucket/page"}, "another origin|invalid link"),
        ({"href": " "}, "invalid link to the next page: href is empty"),
        ({"href": "/page", "headers": {"X-Key": "secret\r\nX: y"}}, "header 'X-Key', which cannot"),
        ({"href": "/page", "headers": {"X-ü": "secret"}}, "header 'X-ü', which cannot"),
        ({"href": "/page", "method": "DELETE"}, "unknown method 'DELETE'"),
    ],
)
def test_invalid_next_link_raises_source_error(link: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message) as error_info:
        next_of(link)
    assert "\n" not in str(error_info.value)
    assert "secret" not in str(error_info.value)


@pytest.mark.parametrize(
    ("href", "is_refused"),
    [("/stac/search", True), ("/stac/search/", True), ("/stac/search?token=2", False)],
)
def test_next_page_without_the_criteria_of_the_search_is_refused(
    href: str, is_refused: bool
) -> None:
    for request in (POST, ApiRequest("https://api.example/stac/search?ids=a")):
        if is_refused:
            with pytest.raises(SourceError, match="without the criteria of the search"):
                next_of({"href": href}, request)
        else:
            assert next_of({"href": href}, request).method == "GET"


def test_only_same_host_gets_the_scheme_of_the_base() -> None:
    base = URL("https://api.example/")
    assert with_scheme_of("http://api.example/search", base) == "https://api.example/search"
    for other in ("http://other.example/search", "http://api.example:8080/search"):
        assert with_scheme_of(other, base) == other
    assert with_scheme_of("http://api.example/", URL("http://api.example/")) == (
        "http://api.example/"
    )


async def test_headers_of_next_link_are_sent() -> None:
    def paged(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        start = int(request.headers.get("x-start", 0))
        link = {"rel": "next", "href": "/search", "headers": {"X-Start": str(start + 2)}}
        found = ITEMS[start : start + 2]
        return json_reply({"features": found, "links": [link] if start < 4 else []})

    with search_api(ITEMS, hook=paged) as api:
        # Each page has the same URL, so only the headers tell the pages apart.
        assert (await search_source(api.url)).ids == NAMES


@pytest.mark.parametrize("target", ["self", "other"])
async def test_bad_next_link_keeps_found_items_and_sends_no_secret(target: str) -> None:
    with search_api(ITEMS) as other:

        def link(request: SearchRequest) -> Reply | None:
            if request.path != "/search":
                return None
            href = request.target if target == "self" else f"{other.url}/search"
            return json_reply({"features": ITEMS[:2], "links": [{"rel": "next", "href": href}]})

        config = replace(CONFIG, http_headers={"X-Key": "secret"})
        with search_api(ITEMS, hook=link) as api:
            config.http_headers_hosts = [api.url]
            result = await search_source(api.url, Criteria(), config)
        assert (result.ids, result.source.is_complete) == (NAMES[:2], False)
        (error,) = result.source.errors
        assert "links to a next page" in str(error)
        assert other.requests == []


async def test_next_page_of_the_web_site_is_not_followed() -> None:
    def paged(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        page = api.page(request)
        html = {"rel": "next", "type": "text/html", "href": "/search?f=html"}
        return json_reply({**page, "links": [html, *page["links"]]})

    with search_api(ITEMS, hook=paged) as api:
        result = await search_source(api.url, Criteria(page_size=2))
    assert (result.ids, result.source.is_complete) == (NAMES, True)


async def test_link_with_the_method_of_the_search_is_preferred() -> None:
    def paged(request: SearchRequest) -> Reply | None:
        if request.path != "/search" or request.method != "POST":
            return None
        _, _, body = api.reply(replace(request, path="/search/"))
        page = json.loads(body)
        page["links"].insert(0, {"rel": "next", "href": f"{api.url}/nothing", "method": "GET"})
        return json_reply(page if len(page["links"]) > 1 else page | {"links": []})

    with search_api(ITEMS, methods=("POST",), hook=paged) as api:
        assert (await search_source(api.url, Criteria(page_size=2))).ids == NAMES
