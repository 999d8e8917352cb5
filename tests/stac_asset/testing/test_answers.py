"""Responses without faults: HEAD, ranges, conditions, connections and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl

import aiohttp
import pytest
import trustme

from stac_asset.testing import Changed, Origin, Reset, Status, content
from tests.support.http_requests import send_request


def test_head_has_headers_of_get_without_body(origin: Origin) -> None:
    head, get = send_request(origin.href("/a.tif"), "HEAD"), send_request(origin.href("/a.tif"))
    assert head.body == b""
    assert {k: v for k, v in head.headers.items() if k != "Date"} == {
        k: v for k, v in get.headers.items() if k != "Date"
    }
    assert [request.method for request in origin.heads()] == ["HEAD"]
    assert origin.bytes_sent == len(get.body)


@pytest.mark.parametrize(
    ("requested", "start", "stop"),
    [
        ("bytes=0-", 0, 1000),
        ("bytes=10-19", 10, 20),
        ("bytes=990-5000", 990, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
    ],
)
def test_range_is_answered_with_partial_content(
    origin: Origin, requested: str, start: int, stop: int
) -> None:
    reply = send_request(origin.put("/a", size=1000), Range=requested)
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1000"
    assert reply.headers["Content-Length"] == str(stop - start)
    assert reply.body == content("/a", 1000, start, stop)
    assert origin.gets()[0].range == requested


@pytest.mark.parametrize("requested", ["bytes=1000-", "bytes=-0", "bytes=5000-6000"])
def test_unsatisfiable_range_is_refused(origin: Origin, requested: str) -> None:
    reply = send_request(origin.put("/a", size=1000), Range=requested)
    assert (reply.status, reply.headers["Content-Range"]) == (416, "bytes */1000")


@pytest.mark.parametrize("requested", ["bytes=-", "bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "x"])
def test_invalid_range_is_ignored(origin: Origin, requested: str) -> None:
    assert send_request(origin.put("/a", size=1000), Range=requested).status == 200


def test_range_requires_matching_if_range(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    headers = send_request(href).headers
    for validator in (headers["ETag"], headers["Last-Modified"]):
        assert send_request(href, Range="bytes=10-", If_Range=validator).status == 206
    assert send_request(href, Range="bytes=10-", If_Range='"other"').status == 200
    origin.fault("/a", Changed())
    reply = send_request(href, Range="bytes=10-", If_Range=headers["ETag"])
    assert (reply.status, reply.body) == (200, content("/a", 1000, version=1))


def test_conditional_requests_compare_etag(origin: Origin) -> None:
    href = origin.href("/a")
    etag = send_request(href).headers["ETag"]
    assert etag.startswith('"')
    reply = send_request(href, If_None_Match=etag)
    assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", etag)
    assert send_request(href, If_None_Match='"other"').status == 200
    assert send_request(href, If_Match=etag).status == 200
    assert send_request(href, If_Match='"other"').status == 412


def test_post_is_refused_without_status_fault(origin: Origin) -> None:
    reply = send_request(origin.href("/a"), "POST")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    origin.fault("/token", Status(200, body=b"{}", headers={"content-type": "application/json"}))
    reply = send_request(origin.href("/token"), "POST")
    assert (reply.status, reply.body) == (200, b"{}")
    assert reply.headers.get_all("Content-Type") == ["application/json"]


def test_connections_are_reused_and_counted(origin: Origin) -> None:
    with contextlib.closing(http.client.HTTPConnection(origin.host, origin.port)) as connection:
        for number in range(3):
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
    assert origin.connections == 1
    assert len({request.peer for request in origin.requests}) == 1
    send_request(origin.href("/a"))
    assert origin.connections == 2


def test_origin_serves_https() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Origin(ssl_context=context) as origin:
        assert origin.url.startswith("https://")
        client = http.client.HTTPSConnection(origin.host, origin.port, timeout=60, context=trusting)
        with contextlib.closing(client):
            client.request("GET", "/a?size=3000000")
            assert client.getresponse().read() == content("/a", 3_000_000)
        assert origin.bytes_sent == 3_000_000
        origin.fault("/a", Reset(1000))
        client = http.client.HTTPSConnection(origin.host, origin.port, timeout=60, context=trusting)
        with contextlib.closing(client):
            client.request("GET", "/a?size=3000000")
            response = client.getresponse()
            with pytest.raises((OSError, http.client.IncompleteRead)):
                response.read()
            response.close()


def test_concurrent_aiohttp_requests_are_served(origin: Origin) -> None:
    async def fetch_all() -> list[bytes]:
        async def fetch(session: aiohttp.ClientSession, path: str) -> bytes:
            async with session.get(origin.href(path)) as response:
                return await response.read()

        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(fetch(session, f"/{i}?size=200000") for i in range(50)))

    bodies = asyncio.run(fetch_all())
    assert bodies == [content(f"/{i}", 200_000) for i in range(50)]
    assert origin.bytes_sent == 50 * 200_000
