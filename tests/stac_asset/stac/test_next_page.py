"""Decisions about the next page of an item collection."""

from __future__ import annotations

from typing import Any

import pytest

from stac_asset.errors import SourceError
from stac_asset.notices import collect_notices
from stac_asset.stac.next_page import PageChain, PageFacts, has_next, without_paging

BASE = "https://example.com/api/collections/c/items?limit=10"


def facts(*names: object) -> PageFacts:
    return PageFacts([{"id": name} for name in names])


def next_href(chain: PageChain, links: object, found: PageFacts, base: str) -> str | None:
    request = chain.next_request(links, found, base)
    assert request is None or (request.method, request.body) == ("GET", None)
    return None if request is None else request.href


@pytest.mark.parametrize(
    ("link", "href"),
    [
        ({"href": "https://other.example/2"}, "https://other.example/2"),
        ({"href": "?token=2"}, "https://example.com/api/collections/c/items?token=2"),
        ({"href": "items?token=2#page"}, "https://example.com/api/collections/c/items?token=2"),
        ({"href": " /2\n"}, "https://example.com/2"),
        ({"href": "http://example.com/2"}, "https://example.com/2"),
        (
            {"href": "2", "rel": "NEXT", "method": "get", "headers": {}},
            BASE.replace("items?limit=10", "2"),
        ),
    ],
)
def test_next_page_is_resolved(link: dict[str, Any], href: str) -> None:
    links = [None, {"rel": "self", "href": BASE}, {"rel": "next"} | link]
    assert has_next(links)
    assert next_href(PageChain("items"), links, facts("a"), BASE) == href


@pytest.mark.parametrize(
    "links",
    [
        None,
        {},
        [],
        ["next"],
        [{"rel": "prev", "href": "1"}],
        [{"href": "2"}],
        [{"rel": "next", "href": "2", "type": "text/html"}],
    ],
)
def test_page_without_link_is_the_last_page(links: object) -> None:
    assert not has_next(links)
    assert next_href(PageChain("items"), links, facts("a"), BASE) is None


def test_link_for_get_requests_is_preferred() -> None:
    links = [
        {"rel": "next", "href": "/search", "method": "POST", "body": {"token": "2"}},
        {"rel": "next", "href": "/2"},
    ]
    assert next_href(PageChain("items"), links, facts("a"), BASE) == "https://example.com/2"


@pytest.mark.parametrize(
    ("link", "base", "reason"),
    [
        ({"href": "2", "method": "POST"}, BASE, "requires the body of the search"),
        ({"href": "2", "body": {"t": 2}, "merge": True}, BASE, "requires the body of the search"),
        ({"href": "2", "method": "PUT", "body": {"t": 2}}, BASE, "the unknown method 'PUT'"),
        ({"href": "2", "headers": {"A b": "2"}}, BASE, "the header 'A b', which cannot be sent"),
        ({"href": "s3://b/2", "body": {"t": 2}}, BASE, "requires an HTTP request"),
        ({"href": 2}, BASE, "is not valid: href is not a string"),
        ({}, BASE, "is not valid: href is missing"),
        ({"href": "2"}, None, "is not valid: cannot resolve relative href"),
        ({"href": "file:///etc/items.json"}, BASE, "references a local file"),
        ({"href": "/etc/items.json"}, None, "references a local file"),
        ({"href": BASE}, BASE, "leads to a page that was already read"),
    ],
)
def test_unusable_link_is_an_error(link: dict[str, Any], base: str | None, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as raised:
        PageChain("items").next_request([{"rel": "next"} | link], facts("a"), base)
    assert str(raised.value).startswith("Item collection 'items' cannot be read to the end: ")
    assert str(raised.value).count(". ") <= 1


def test_pages_that_repeat_are_an_error() -> None:
    chain, base = PageChain("items"), BASE
    for number, name in enumerate(("a", "b", "a")):
        links = [{"rel": "next", "href": f"?token={number}"}]
        if number == 2:
            with pytest.raises(SourceError, match="same items as an earlier page"):
                chain.next_request(links, facts(name), base)
        else:
            base = next_href(chain, links, facts(name), base) or ""


def test_endless_empty_pages_end_the_collection_with_a_notice() -> None:
    chain, base = PageChain("items"), BASE
    for number in range(9):
        base = next_href(chain, [{"rel": "next", "href": f"?t={number}"}], facts(), base) or ""
    assert not chain.is_endless
    with collect_notices() as notices:
        assert chain.next_request([{"rel": "next", "href": "?t=9"}], facts(), base) is None
    assert chain.is_endless
    assert "After 10 pages without items, no further pages are requested" in notices.lines()[0]


def test_joined_collection_has_no_links_between_pages() -> None:
    fields = {
        "links": [{"rel": "next", "href": "2"}, {"rel": "self", "href": "1"}, 1],
        "numberReturned": 1,
        "numberMatched": 2,
        "title": "Items",
    }
    assert without_paging(fields) == {"links": [{"rel": "self", "href": "1"}, 1], "title": "Items"}
