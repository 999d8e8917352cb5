"""Arbitrary response headers raise only documented errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stac_asset import HttpClient
from stac_asset.errors import (
    StacAssetError,
)
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin, Status
from stac_asset.transfer.interface import Request, Response
from tests.support.strategies import (
    fuzz,
    hrefs,
)

numbers = st.sampled_from(
    ["0", "5", "007", "-1", "+5", "1e3", "5.5", "²", "٣", "9" * 30, "9" * 5000]
)

DATES = ["Mon, 01 Jun 2026 00:00:00 GMT", "01 Jan 1", "Mon, 99 Foo 99999", "999999999999 Feb Feb 1"]

dates = st.sampled_from(
    [*DATES, "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "x, " * 50]
)

header_texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=20
)

header_values = st.one_of(
    numbers,
    dates,
    header_texts,
    header_texts.map('"{}"'.format),
    header_texts.map('W/"{}"'.format),
    st.builds("bytes {}-{}/{}".format, numbers, numbers, st.one_of(numbers, st.just("*"))),
    hrefs.filter(lambda href: href.isprintable()),
)

HEADERS = ["Content-Range", "ETag", "Last-Modified", "Date", "Retry-After", "Content-Type"]

STATUSES = [200, 206, 301, 302, 308, 304, 401, 403, 404, 416, 429, 500, 503]


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[Origin]:
    """Return an origin for all examples, because starting a server is slow."""
    with Origin() as running:
        yield running


@fuzz(250)
@given(
    status=st.sampled_from(STATUSES),
    headers=st.dictionaries(st.sampled_from([*HEADERS, "Location"]), header_values, min_size=1),
    offset=st.sampled_from([0, 5]),
)
@example(206, {"Content-Range": f"bytes 0-4/{'9' * 5000}"}, 0)
@example(200, {"ETag": '"é"'}, 0)
@example(503, {"Retry-After": "999999999999 Feb Feb 10.10.10 -1 -0000"}, 0)
def test_any_response_headers_are_handled(
    shared_origin: Origin, status: int, headers: dict[str, str], offset: int
) -> None:
    # Tests have no network, so a redirect to another host cannot be followed.
    assume("://" not in headers.get("Location", "") and "//" not in headers.get("Location", ""))
    shared_origin.heal()
    shared_origin.fault("*", Status(status, headers=headers, body=b"bytes"), times=0)
    asyncio.run(check_headers(shared_origin.href("/a.tif"), offset))


async def check_headers(href: str, offset: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = HttpClient(session)
        request = Request(parse_href(href), "image/tiff", offset, '"etag"' if offset else None)
        with suppress(StacAssetError):
            async with client.fetch(request) as response:
                check_response(response)
                assert b"".join([chunk async for chunk in response.chunks])
        with suppress(StacAssetError):
            await client.stat(request)
        await client.close()


def check_response(response: Response) -> None:
    assert response.offset >= 0
    assert response.size is None or response.size >= 0
    assert response.validator is None or response.validator.isascii()
