"""The effect of each fault on a response."""

from __future__ import annotations

import gzip
import http.client
import socket
import time

import pytest

from stac_asset.testing import (
    Changed,
    Chunked,
    Delay,
    Gzip,
    IgnoreRange,
    LoginPage,
    NoHead,
    NoValidator,
    Origin,
    Redirect,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    WrongLength,
    WrongRange,
    WrongType,
    content,
)
from tests.support.http_requests import open_get, read_to_end, send_request
from tests.support.processes import block_until


def test_truncate_ends_body_early(origin: Origin) -> None:
    origin.fault("/a", Truncate(300))
    reply = send_request(origin.put("/a", size=1000))
    assert (reply.status, reply.headers["Content-Length"]) == (200, "1000")
    assert isinstance(reply.error, http.client.IncompleteRead)
    assert reply.headers["Connection"] is None
    assert reply.body == content("/a", 1000, 0, 300)
    assert origin.bytes_sent == 300
    assert send_request(origin.href("/a")).error is None


def test_truncate_counts_bytes_of_range(origin: Origin) -> None:
    origin.fault("/a", Truncate(50))
    reply = send_request(origin.put("/a", size=1000), Range="bytes=500-")
    assert reply.body == content("/a", 1000, 500, 550)


@pytest.mark.parametrize("after", [0, 300, 5_000_000])
def test_reset_ends_body_with_reset(origin: Origin, after: int) -> None:
    origin.fault("/a", Reset(after))
    reply = send_request(origin.put("/a", size=9_000_000))
    assert isinstance(reply.error, ConnectionResetError)
    assert reply.status == 200
    assert reply.body == content("/a", 9_000_000, 0, after)
    assert origin.bytes_sent == after


def test_reset_before_headers_has_no_status(origin: Origin) -> None:
    origin.fault("/a", Reset(-1))
    with pytest.raises(ConnectionResetError):
        send_request(origin.href("/a"))
    assert [(request.status, request.body_sent) for request in origin.requests] == [(0, 0)]


def test_response_continues_after_stall(origin: Origin) -> None:
    origin.fault("/a", Stall(300, 0.3))
    origin.put("/a", size=1000)
    began = time.monotonic()
    with open_get(origin, "/a", "Connection: close") as connection:
        _, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert time.monotonic() - began >= 0.3
    assert body == content("/a", 1000)


def test_stall_sends_nothing_and_ends_when_client_disconnects(origin: Origin) -> None:
    origin.fault("/a", Stall(300))
    reply = send_request(origin.put("/a", size=1000), timeout=3)
    assert isinstance(reply.error, TimeoutError)
    assert reply.body == content("/a", 1000, 0, 300)
    block_until(lambda: origin.in_flight == 0)
    assert origin.bytes_sent == 300


def test_status_replaces_file(origin: Origin) -> None:
    origin.fault("/a", Status(503, retry_after=7, headers={"X-Why": "load"}, body=b"later"))
    origin.fault("/a", Status(429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"))
    origin.fault("/a", Status(204))
    first, second, third = (send_request(origin.href("/a")) for _ in range(3))
    assert (first.status, first.body) == (503, b"later")
    assert (first.headers["Retry-After"], first.headers["X-Why"]) == ("7", "load")
    assert second.headers["Retry-After"].endswith("2099 07:28:00 GMT")
    assert (third.status, third.body, third.headers["Retry-After"]) == (204, b"", None)
    assert [request.status for request in origin.requests] == [503, 429, 204]


def test_redirect_sends_location(origin: Origin) -> None:
    with Origin() as other:
        origin.fault("/a", Redirect(other.href("/b"), 307))
        reply = send_request(origin.href("/a"))
        assert (reply.status, reply.headers["Location"]) == (307, other.href("/b"))
    origin.fault("/a", Redirect("/c"))
    assert send_request(origin.href("/a"), "HEAD").status == 302


def test_wrong_type_sends_content_type(origin: Origin) -> None:
    origin.fault("/a.tif", WrongType("text/html"))
    assert send_request(origin.href("/a.tif")).headers["Content-Type"] == "text/html"


def test_wrong_length_changes_content_length(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    origin.fault("/a", WrongLength(10))
    origin.fault("/a", WrongLength(-10))
    more, less = send_request(href), send_request(href)
    assert (more.headers["Content-Length"], len(more.body)) == ("1010", 1000)
    assert isinstance(more.error, http.client.IncompleteRead)
    assert (less.headers["Content-Length"], len(less.body), less.error) == ("990", 990, None)
    assert [request.body_sent for request in origin.gets()] == [1000, 990]


@pytest.mark.parametrize("data", [None, b"x" * 500])
def test_changed_file_has_other_bytes_and_validators(origin: Origin, data: bytes | None) -> None:
    href = origin.put("/a.tif", data, size=None if data else 500)
    before = send_request(href)
    origin.fault("/a.tif", Changed())
    assert origin.content("/a.tif") == before.body
    after, later = send_request(href), send_request(href)
    assert len(after.body) == 500
    assert before.body != after.body == later.body == origin.content("/a.tif")
    for header in ("ETag", "Last-Modified"):
        assert before.headers[header] != after.headers[header] == later.headers[header]
    assert before.headers["Content-Type"] == after.headers["Content-Type"]
    assert send_request(origin.put("/a.tif", b"mine")).body == b"mine"


def test_changed_applies_to_generated_file(origin: Origin) -> None:
    origin.fault("/a", Changed())
    assert send_request(origin.href("/a?size=10")).body == content("/a", 10, version=1)


def test_ignore_range_sends_whole_file(origin: Origin) -> None:
    origin.fault("/a", IgnoreRange())
    reply = send_request(origin.put("/a", size=1000), Range="bytes=10-")
    assert (reply.status, len(reply.body)) == (200, 1000)
    assert reply.headers["Accept-Ranges"] is None


def test_no_validator_omits_validators(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    etag = send_request(href).headers["ETag"]
    origin.fault("/a", NoValidator(), times=0)
    reply = send_request(href)
    assert reply.headers["ETag"] is reply.headers["Last-Modified"] is None
    assert send_request(href, Range="bytes=10-").status == 206
    assert send_request(href, Range="bytes=10-", If_Range=etag).status == 200
    assert send_request(href, If_None_Match=etag).status == 200


@pytest.mark.parametrize(("shift", "start"), [(-7, 3), (7, 17), (-50, 0), (5000, 999)])
def test_wrong_range_shifts_start(origin: Origin, shift: int, start: int) -> None:
    origin.fault("/a", WrongRange(shift))
    reply = send_request(origin.put("/a", size=1000), Range="bytes=10-")
    assert (reply.status, reply.headers["Content-Range"]) == (206, f"bytes {start}-999/1000")
    assert reply.body == content("/a", 1000, start)
    assert reply.error is None


def test_no_head_refuses_head_requests(origin: Origin) -> None:
    origin.fault("/a", NoHead(), times=0)
    origin.fault("/b", NoHead(403))
    assert (
        send_request(origin.href("/a"), "HEAD").status
        == send_request(origin.href("/a"), "HEAD").status
        == 405
    )
    assert send_request(origin.href("/a")).status == send_request(origin.href("/b")).status == 200
    assert send_request(origin.href("/b"), "HEAD").status == 403
    assert send_request(origin.href("/b"), "HEAD").status == 200


def test_chunked_omits_content_length(origin: Origin) -> None:
    origin.fault("/a", Chunked(), times=0)
    reply = send_request(origin.put("/a", size=100_000))
    assert reply.headers["Content-Length"] is None
    assert (reply.headers["Transfer-Encoding"], reply.error) == ("chunked", None)
    assert reply.body == content("/a", 100_000)
    assert origin.bytes_sent == 100_000
    origin.fault("/a", Truncate(300))
    reply = send_request(origin.href("/a"))
    assert isinstance(reply.error, http.client.IncompleteRead)
    assert reply.body == content("/a", 100_000, 0, 300)


def test_chunked_response_to_http_1_0_ends_with_connection(origin: Origin) -> None:
    origin.fault("/a", Chunked())
    with socket.create_connection((origin.host, origin.port), timeout=60) as connection:
        connection.sendall(b"GET /a?size=10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert read_to_end(connection).endswith(b"\r\n\r\n" + content("/a", 10))


def test_gzip_is_used_if_client_accepts_gzip(origin: Origin) -> None:
    href = origin.put("/a.json", b'{"a": 1}' * 100)
    plain = send_request(href)
    origin.fault("/a.json", Gzip(), times=0)
    assert send_request(href, Accept_Encoding="identity").headers["Content-Encoding"] is None
    assert send_request(href, Accept_Encoding="*, gzip;q=0").headers["Content-Encoding"] is None
    reply = send_request(href, Accept_Encoding="br;q=1.0, gzip;q=0.8", Range="bytes=5-")
    assert (reply.status, reply.headers["Content-Encoding"]) == (200, "gzip")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert gzip.decompress(reply.body) == plain.body
    assert reply.headers["ETag"] != plain.headers["ETag"]
    origin.fault("/a.json", Gzip(force=True))
    assert send_request(href, Accept_Encoding="identity").headers["Content-Encoding"] == "gzip"


def test_login_page_replaces_file(origin: Origin) -> None:
    origin.fault("/a.tif", LoginPage())
    reply = send_request(origin.href("/a.tif"))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Log in" in reply.body
    assert reply.headers["ETag"] is None


def test_slow_and_delay_take_time(origin: Origin) -> None:
    origin.fault("/a", Slow(100_000))
    began = time.monotonic()
    assert len(send_request(origin.put("/a", size=20_000)).body) == 20_000
    assert time.monotonic() - began > 0.15
    origin.fault("/a", Delay(0.2))
    began = time.monotonic()
    assert send_request(origin.href("/a"), "HEAD").status == 200
    assert time.monotonic() - began > 0.15
