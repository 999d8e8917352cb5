"""Redirected requests to a STAC API, which must stay the same search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from requests import Request

from stac_asset.errors import ResponseError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.sources.api_io import ApiIO
from stac_asset.mirror.sources.search_redirects import redirected
from stac_asset.stac.api_request import ApiRequest
from tests.support.mirror_runs import CONFIG
from tests.support.search_api import (
    Reply,
    SearchRequest,
    found_item,
    search_api,
    search_source,
)

THINGS = Criteria(collections=("things",))
ITEMS = [found_item("mine"), found_item("foreign", "others")]
STATUSES = [301, 302, 303, 307, 308]


def redirect(status: int, location: str) -> Reply:
    return status, {"Location": location}, b""


@pytest.mark.parametrize("status", STATUSES)
async def test_post_search_is_repeated_as_post_after_redirect_to_trailing_slash(
    status: int,
) -> None:
    def move(request: SearchRequest) -> Reply | None:
        return redirect(status, "/search/") if request.path == "/search" else None

    with search_api(ITEMS, methods=("POST",), hook=move) as api:
        result = await search_source(api.url, THINGS)
        assert (result.ids, result.notices) == (["mine"], [])
        assert {request.method for request in api.searches} == {"POST"}


@pytest.mark.parametrize("status", STATUSES)
async def test_post_search_redirected_to_another_host_fails_with_one_sentence(status: int) -> None:
    with search_api(ITEMS) as other:
        address = f"{other.url}/search"

        def move(request: SearchRequest) -> Reply | None:
            return redirect(status, address) if request.path == "/search" else None

        config = replace(CONFIG, http_headers={"X-Key": "secret"})
        with search_api(ITEMS, methods=("POST",), hook=move) as api:
            config.http_headers_hosts = [api.url]
            with pytest.raises(SourceError, match="the search was redirected to") as error_info:
                await search_source(api.url, THINGS, config)
            assert address in str(error_info.value)
            assert len(api.searches) == 1, "a redirect is not retried"
        assert other.requests == []


async def test_lost_query_of_redirected_search_is_kept() -> None:
    def move(request: SearchRequest) -> Reply | None:
        return redirect(301, "/search/") if request.path == "/search" else None

    with search_api(ITEMS, hook=move) as api:
        result = await search_source(api.url, THINGS)
        assert (result.ids, result.notices) == (["mine"], [])


async def test_search_redirected_to_an_address_without_its_criteria_fails() -> None:
    def move(request: SearchRequest) -> Reply | None:
        return redirect(302, "/everything") if request.path == "/search" else None

    with (
        search_api(ITEMS, hook=move) as api,
        pytest.raises(SourceError, match="without the parameter 'collections' of the search"),
    ):
        await search_source(api.url, THINGS)


async def test_redirect_loop_ends_with_an_error() -> None:
    def move(request: SearchRequest) -> Reply | None:
        return redirect(302, request.target) if request.path == "/search" else None

    with (
        search_api(ITEMS, hook=move) as api,
        pytest.raises(SourceError, match="more than 10 redirects"),
    ):
        await search_source(api.url, THINGS)


POST = ApiRequest("http://api.example/search", "POST", {"collections": ["things"]})
GET = ApiRequest("http://api.example/search?ids=a&limit=5", headers={"X-Token": "1"})


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://api.example/search", "https://api.example/search"),
        ("https://api.example:443/search/", "https://api.example:443/search/"),
        (" search/ ", "http://api.example/search/"),
        ("http://api.example:80/search", "http://api.example:80/search"),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_post_is_repeated_if_only_scheme_or_slash_differ(
    status: int, location: str, expected: str
) -> None:
    assert redirected(POST, status, "Moved", location) == replace(POST, href=expected)


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "http://www.api.example/search"),
        (302, "http://api.example/v2/search"),
        (308, "http://api.example:8080/search"),
        (307, "https://login.example/search"),
        (301, "http://api.example/search?f=html"),
        (301, "ftp://api.example/search"),
        (301, "//"),
    ],
)
def test_post_is_not_repeated_at_another_address(status: int, location: str) -> None:
    with pytest.raises(ResponseError, match="redirected to"):
        redirected(POST, status, "Moved", location)


def test_post_is_not_repeated_without_encryption() -> None:
    secure = replace(POST, href="https://api.example/search")
    with pytest.raises(ResponseError, match="redirected to"):
        redirected(secure, 308, "Moved", "http://api.example/search")


@pytest.mark.parametrize("status", [307, 308])
def test_redirect_that_keeps_the_method_may_lead_to_another_path(status: int) -> None:
    moved = redirected(POST, status, "Moved", "/v2/search")
    assert moved == replace(POST, href="http://api.example/v2/search")


def test_redirected_get_keeps_its_query_and_loses_headers_at_another_origin() -> None:
    same = redirected(GET, 301, "Moved", "https://api.example/search/")
    assert same.href == "https://api.example/search/?ids=a&limit=5"
    other = redirected(GET, 302, "Found", "https://other.example/x?limit=5&ids=a&token=1")
    assert other == ApiRequest("https://other.example/x?limit=5&ids=a&token=1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff\xfe\x00", "500 Internal Server Error for [^ ]*$"),
        (b"\x1b[31mred", "500 Internal Server Error for [^ ]*$"),
        ("Größe".encode(), "500 Internal Server Error for .*: Größe$"),
    ],
)
async def test_error_quotes_only_printable_text(body: bytes, message: str) -> None:
    def fail(request: SearchRequest) -> Reply | None:
        return (500, {}, body) if request.path == "/search" else None

    config = replace(CONFIG, http_max_attempts=1)
    with search_api(ITEMS, hook=fail) as api, pytest.raises(SourceError, match=message):
        await search_source(api.url, THINGS, config)


def test_secrets_are_sent_to_the_origin_of_the_api_only() -> None:
    io = ApiIO("https://api.example:443/v1", 1.0)
    io.secrets = {"X-Key": "secret"}
    for href, is_sent in (
        ("https://api.example/search", True),
        ("https://api.example:444/search", False),
        ("http://api.example/search", False),
        ("https://api.example.org/search", False),
    ):
        request = Request("GET", href, headers={"X-Key": "from a link"}).prepare()
        io.session.get_adapter(href).add_headers(request)  # type: ignore[attr-defined]
        assert request.headers.get("X-Key") == ("secret" if is_sent else None)
