"""The origin that our tests and our users' tests rely on, from the far end of a socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme

import stac_asset.testing
from stac_asset.testing import (
    Changed,
    Chunked,
    Delay,
    Fault,
    Gzip,
    IgnoreRange,
    LoginPage,
    NoHead,
    NoValidator,
    Origin,
    OriginProcess,
    Received,
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
    content_iter,
    default_size,
)

ROOT = Path(__file__).parents[2]
BLOCK = 65536


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    error: Exception | None = None


def ask(url: str, method: str = "GET", timeout: float = 60, **headers: str) -> Reply:
    """One request on a connection of its own; what came before an error stands beside it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
    body = bytearray()
    error: Exception | None = None
    with contextlib.closing(connection):
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, headers=names)
        with connection.getresponse() as response:
            try:
                while piece := response.read1(BLOCK):
                    body += piece
                if response.length:
                    error = http.client.IncompleteRead(bytes(body), response.length)
            except (OSError, http.client.HTTPException) as raised:
                error = raised
            return Reply(response.status, response.headers, bytes(body), error)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)


@contextlib.contextmanager
def raw(origin: Origin, path: str, *more: str) -> Iterator[socket.socket]:
    """A socket over which a GET was sent."""
    with socket.create_connection((origin.host, origin.port), timeout=60) as connection:
        lines = [f"GET {path} HTTP/1.1", "Host: origin", *more]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield connection


def drain(connection: socket.socket) -> bytes:
    data = bytearray()
    while piece := connection.recv(BLOCK):
        data += piece
    return bytes(data)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


# Content


def test_content_is_the_same_in_every_process_and_release() -> None:
    digest = hashlib.sha256(content("/a/b.tif", 200_000, version=1)).hexdigest()
    assert digest == "c3a2aacec555a58765a0c2818daa183eeed114a49447978d8a05c85167dd5a89"


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 1), (7, 9), (BLOCK - 1, BLOCK + 1), (5, 3 * BLOCK + 5), (BLOCK, 2 * BLOCK)],
)
def test_content_is_random_access(start: int, stop: int | None) -> None:
    size = 4 * BLOCK + 17
    whole = content("/a", size)
    assert len(whole) == size
    assert content("/a", size, start, stop) == whole[start:stop]
    assert b"".join(content_iter("/a", size, start, stop, chunk=1000)) == whole[start:stop]


def test_content_differs_by_path_version_and_place() -> None:
    whole = content("/a", 8 * BLOCK)
    assert content("a", 8 * BLOCK) == whole
    assert content("/b", 100) != whole[:100]
    assert content("/a", 1, version=1) + content("/b", 1) != whole[:1] * 2
    assert content("/a", 100, version=1) != whole[:100]
    blocks = [whole[i : i + BLOCK] for i in range(0, len(whole), BLOCK)]
    assert len({block[:16] for block in blocks}) == len({block[-16:] for block in blocks}) == 8
    for shift in (1, 8, 512, 4096, BLOCK):
        same = sum(a == b for a, b in zip(whole, whole[shift:], strict=False))
        assert same < len(whole) / 50


def test_content_ends_where_the_file_does() -> None:
    assert content("/a", 10, 5, 50) == content("/a", 10)[5:]
    assert content("/a", 10, 10) == b""
    assert list(content_iter("/a", 0)) == []
    with pytest.raises(ValueError, match="at least 0"):
        content("/a", -1)


def test_default_size_comes_from_the_path() -> None:
    sizes = [default_size(f"/{number}") for number in range(300)]
    assert all(1024 <= size <= 65536 for size in sizes)
    assert len(set(sizes)) > 250
    assert default_size("0") == sizes[0]


# What a path has


def test_every_path_has_content(origin: Origin) -> None:
    reply = ask(origin.href("/a/B04.tif"))
    assert reply.status == 200
    assert reply.body == content("/a/B04.tif", default_size("/a/B04.tif"))
    assert reply.body == origin.content("/a/B04.tif")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Accept-Ranges"] == "bytes"


def test_put_bytes_a_size_or_nothing(origin: Origin) -> None:
    assert ask(origin.put("/item.json", b"{}")).body == b"{}" == origin.content("/item.json")
    assert ask(origin.put("big", size=300_000)).body == content("/big", 300_000)
    assert ask(origin.put("/c")).body == content("/c", default_size("/c"))
    assert ask(origin.put("/empty", b"")).body == b""
    with pytest.raises(ValueError, match="exclude each other"):
        origin.put("/d", b"", size=1)
    with pytest.raises(ValueError, match="at least 0"):
        origin.put("/d", size=-1)


def test_put_again_is_another_file(origin: Origin) -> None:
    first = ask(origin.put("/a", b"one"))
    second = ask(origin.put("/a", b"two"))
    assert (first.body, second.body) == (b"one", b"two")
    for header in ("ETag", "Last-Modified"):
        assert first.headers[header] != second.headers[header]


def test_the_query_gives_a_size_and_is_recorded(origin: Origin) -> None:
    href = origin.href("/a?size=1234&sig=x")
    assert href == f"{origin.url}/a?size=1234&sig=x"
    assert ask(href).body == content("/a", 1234) == origin.content("/a?size=1234")
    assert origin.gets("/a")[0].query == "size=1234&sig=x"
    origin.put("/a", b"explicit wins")
    assert ask(href).body == b"explicit wins"
    assert len(ask(origin.href("/b?size=x")).body) == default_size("/b")


def test_strict_has_only_what_was_put() -> None:
    with Origin(strict=True) as origin:
        assert ask(origin.put("/a")).status == 200
        assert ask(origin.href("/b?size=3")).status == 404
        with pytest.raises(FileNotFoundError):
            origin.content("/b")


def test_remove(origin: Origin) -> None:
    href = origin.href("/a")
    origin.remove("/a")
    assert ask(href).status == 404
    origin.put("/a", b"back")
    assert ask(href).body == b"back"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a.tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("/a.TIFF", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("/a.jp2", "image/jp2"),
        ("/a.json", "application/json"),
        ("/a.jpg", "image/jpeg"),
        ("/a.png", "image/png"),
        ("/a.xml", "application/xml"),
        ("/a.txt", "text/plain"),
        ("/tif", "application/octet-stream"),
    ],
)
def test_content_type_is_guessed(origin: Origin, path: str, expected: str) -> None:
    assert ask(origin.href(path)).headers["Content-Type"] == expected


def test_content_type_is_explicit(origin: Origin) -> None:
    href = origin.put("/a.tif", size=1, content_type="application/x-mine")
    assert ask(href).headers["Content-Type"] == "application/x-mine"


@pytest.mark.parametrize("path", ["/a b.tif", "/ü/#1.tif", "/50%.tif", "/what?.tif", "/a+b&c"])
def test_paths_are_decoded(origin: Origin, path: str) -> None:
    href = origin.put(path, path.encode())
    assert href == origin.href(path)
    assert not set(href) & set(" #ü?")
    assert ask(href).body == path.encode()
    assert origin.gets(path)[0].path == path


# Correct HTTP


def test_head_is_a_get_without_a_body(origin: Origin) -> None:
    head, get = ask(origin.href("/a.tif"), "HEAD"), ask(origin.href("/a.tif"))
    assert head.body == b""
    assert {k: v for k, v in head.headers.items() if k != "Date"} == {
        k: v for k, v in get.headers.items() if k != "Date"
    }
    assert [request.method for request in origin.heads()] == ["HEAD"]
    assert origin.bytes_sent == len(get.body)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, 1000),
        ("bytes=10-19", 10, 20),
        ("bytes=990-5000", 990, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
    ],
)
def test_range(origin: Origin, asked: str, start: int, stop: int) -> None:
    reply = ask(origin.put("/a", size=1000), Range=asked)
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1000"
    assert reply.headers["Content-Length"] == str(stop - start)
    assert reply.body == content("/a", 1000, start, stop)
    assert origin.gets()[0].range == asked


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=-0", "bytes=5000-6000"])
def test_range_that_is_not_there(origin: Origin, asked: str) -> None:
    reply = ask(origin.put("/a", size=1000), Range=asked)
    assert (reply.status, reply.headers["Content-Range"]) == (416, "bytes */1000")


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "x"])
def test_range_that_is_ignored(origin: Origin, asked: str) -> None:
    assert ask(origin.put("/a", size=1000), Range=asked).status == 200


def test_if_range(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    headers = ask(href).headers
    for validator in (headers["ETag"], headers["Last-Modified"]):
        assert ask(href, Range="bytes=10-", If_Range=validator).status == 206
    assert ask(href, Range="bytes=10-", If_Range='"other"').status == 200
    origin.fault("/a", Changed())
    reply = ask(href, Range="bytes=10-", If_Range=headers["ETag"])
    assert (reply.status, reply.body) == (200, content("/a", 1000, version=1))


def test_conditions(origin: Origin) -> None:
    href = origin.href("/a")
    etag = ask(href).headers["ETag"]
    assert etag.startswith('"')
    reply = ask(href, If_None_Match=etag)
    assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", etag)
    assert ask(href, If_None_Match='"other"').status == 200
    assert ask(href, If_Match=etag).status == 200
    assert ask(href, If_Match='"other"').status == 412


def test_other_methods_are_refused(origin: Origin) -> None:
    reply = ask(origin.href("/a"), "POST")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    origin.fault("/token", Status(200, body=b"{}", headers={"content-type": "application/json"}))
    reply = ask(origin.href("/token"), "POST")
    assert (reply.status, reply.body) == (200, b"{}")
    assert reply.headers.get_all("Content-Type") == ["application/json"]


def test_connections_are_kept_and_counted(origin: Origin) -> None:
    with contextlib.closing(http.client.HTTPConnection(origin.host, origin.port)) as connection:
        for number in range(3):
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
    assert origin.connections == 1
    assert len({request.peer for request in origin.requests}) == 1
    ask(origin.href("/a"))
    assert origin.connections == 2


def test_https() -> None:
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


def test_aiohttp_clients_are_served_side_by_side(origin: Origin) -> None:
    async def fetch_all() -> list[bytes]:
        async def fetch(session: aiohttp.ClientSession, path: str) -> bytes:
            async with session.get(origin.href(path)) as response:
                return await response.read()

        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(fetch(session, f"/{i}?size=200000") for i in range(50)))

    bodies = asyncio.run(fetch_all())
    assert bodies == [content(f"/{i}", 200_000) for i in range(50)]
    assert origin.bytes_sent == 50 * 200_000


# What it remembers


def test_received(origin: Origin) -> None:
    ask(origin.href("/a?q=1"), "GET", Range="bytes=0-9", X_Mine="yes")
    ask(origin.href("/b"), "HEAD")
    first, second = origin.requests
    assert (first.method, first.path, first.query, first.range) == ("GET", "/a", "q=1", "bytes=0-9")
    assert (first.status, first.body_sent, first.headers["x-mine"]) == (206, 10, "yes")
    assert first.peer.startswith("127.0.0.1:")
    assert (second.method, second.body_sent, second.range) == ("HEAD", 0, None)
    with pytest.raises(FrozenInstanceError):
        first.status = 0  # type: ignore[misc]
    assert Received.from_line(first.to_line()) == first


def test_gets_are_selected_and_forgotten(origin: Origin) -> None:
    for path in ("/a/1", "/a/2", "/b"):
        ask(origin.href(path))
    ask(origin.href("/b"), "HEAD")
    assert [request.path for request in origin.gets("/a/*")] == ["/a/1", "/a/2"]
    assert [request.path for request in origin.gets("b")] == ["/b"]
    assert len(origin.gets()) == 3
    assert len(origin.heads("/b")) == 1
    assert origin.heads("/a/*") == []
    origin.forget()
    assert (origin.requests, origin.bytes_sent, origin.in_flight_max) == ([], 0, 0)


def test_in_flight(origin: Origin) -> None:
    origin.fault("*", Stall(0, 60), times=0)
    with raw(origin, "/a"), raw(origin, "/b"):
        wait_until(lambda: origin.in_flight == 2)
        assert [request.status for request in origin.requests] == [200, 200]
    wait_until(lambda: origin.in_flight == 0)
    assert origin.in_flight_max == 2


def test_body_sent_is_what_the_socket_took_when_the_origin_breaks_off(origin: Origin) -> None:
    with raw(origin, "/a?size=80000000") as connection:
        last = -1

        def full() -> bool:
            nonlocal last
            before, last = last, origin.bytes_sent
            time.sleep(0.05)
            return before == last > 0

        wait_until(full)
        origin.close()
        _, _, body = drain(connection).partition(b"\r\n\r\n")
    assert len(body) == origin.bytes_sent < 80_000_000
    assert body == content("/a", 80_000_000, 0, len(body))


def test_body_sent_when_the_client_is_killed(origin: Origin) -> None:
    with raw(origin, "/a?size=80000000") as connection:
        received = len(connection.recv(1000))
    wait_until(lambda: origin.in_flight == 0)
    assert received - 500 < origin.bytes_sent < 80_000_000


def test_body_sent_is_close_to_what_was_received_when_throttled() -> None:
    with Origin(bytes_per_second=2_000_000) as origin:
        with raw(origin, "/a?size=80000000") as connection:
            received = 0
            while received < 200_000:
                received += len(connection.recv(BLOCK))
        wait_until(lambda: origin.in_flight == 0)
        assert received - 500 < origin.bytes_sent < received + 2_000_000


def test_finished_requests_are_reported() -> None:
    finished: list[Received] = []
    with Origin(on_finished=finished.append) as origin:
        ask(origin.href("/a"))
        assert origin.requests == finished


# Its life


def test_it_ends_at_once_and_without_a_trace() -> None:
    with Origin(latency=0.0) as origin:
        origin.fault("*", Stall(100), times=0)
        with raw(origin, "/a") as connection:
            connection.recv(10)
            origin.fault("/b", Delay(3600))
            with raw(origin, "/b"):
                wait_until(lambda: origin.in_flight == 2)
                began = time.monotonic()
                origin.close()
    assert time.monotonic() - began < 60
    assert not [thread for thread in threading.enumerate() if thread.name == "stac-asset-origin"]
    assert origin.in_flight == 0
    assert len(origin.requests) == 2
    with pytest.raises(ConnectionRefusedError):
        ask(origin.href("/a"))


def test_it_serves_once_and_while_entered() -> None:
    origin = Origin()
    origin.close()
    with pytest.raises(RuntimeError, match="not serving"):
        _ = origin.url
    with origin:
        pass
    with pytest.raises(RuntimeError, match="once"), origin:
        pass


def test_a_port_that_is_taken(origin: Origin) -> None:
    with pytest.raises(OSError, match="address already in use"), Origin(port=origin.port):
        pass


def test_bad_arguments() -> None:
    for wrong in (
        lambda: Origin(fault_rate=2),
        lambda: Origin(bytes_per_second=0),
        lambda: Origin(fault_rate=0.5, fault_kinds=()),
        lambda: Truncate(-1),
        lambda: Reset(-2),
        lambda: Stall(0, -1),
        lambda: Delay(-1),
        lambda: Slow(0),
        lambda: Status(99),
        lambda: Redirect("/b", 200),
        lambda: Origin().fault("/a"),
        lambda: Origin().fault("/a", Changed(), times=-1),
    ):
        with pytest.raises(ValueError, match=r".+"):
            wrong()


def test_latency_and_rate_of_the_origin() -> None:
    with Origin(latency=0.1, bytes_per_second=100_000) as origin:
        began = time.monotonic()
        assert ask(origin.href("/a?size=20000")).body == content("/a", 20_000)
        assert time.monotonic() - began > 0.25


# Faults, one by one


def test_truncate(origin: Origin) -> None:
    origin.fault("/a", Truncate(300))
    reply = ask(origin.put("/a", size=1000))
    assert (reply.status, reply.headers["Content-Length"]) == (200, "1000")
    assert isinstance(reply.error, http.client.IncompleteRead)
    assert reply.headers["Connection"] is None
    assert reply.body == content("/a", 1000, 0, 300)
    assert origin.bytes_sent == 300
    assert ask(origin.href("/a")).error is None


def test_truncate_counts_within_a_range(origin: Origin) -> None:
    origin.fault("/a", Truncate(50))
    reply = ask(origin.put("/a", size=1000), Range="bytes=500-")
    assert reply.body == content("/a", 1000, 500, 550)


@pytest.mark.parametrize("after", [0, 300, 5_000_000])
def test_reset(origin: Origin, after: int) -> None:
    origin.fault("/a", Reset(after))
    reply = ask(origin.put("/a", size=9_000_000))
    assert isinstance(reply.error, ConnectionResetError)
    assert reply.status == 200
    assert reply.body == content("/a", 9_000_000, 0, after)
    assert origin.bytes_sent == after


def test_reset_before_the_headers(origin: Origin) -> None:
    origin.fault("/a", Reset(-1))
    with pytest.raises(ConnectionResetError):
        ask(origin.href("/a"))
    assert [(request.status, request.body_sent) for request in origin.requests] == [(0, 0)]


def test_stall_goes_on(origin: Origin) -> None:
    origin.fault("/a", Stall(300, 0.3))
    origin.put("/a", size=1000)
    began = time.monotonic()
    with raw(origin, "/a", "Connection: close") as connection:
        _, _, body = drain(connection).partition(b"\r\n\r\n")
    assert time.monotonic() - began >= 0.3
    assert body == content("/a", 1000)


def test_stall_is_silent_and_ends_with_the_client(origin: Origin) -> None:
    origin.fault("/a", Stall(300))
    reply = ask(origin.put("/a", size=1000), timeout=3)
    assert isinstance(reply.error, TimeoutError)
    assert reply.body == content("/a", 1000, 0, 300)
    wait_until(lambda: origin.in_flight == 0)
    assert origin.bytes_sent == 300


def test_status(origin: Origin) -> None:
    origin.fault("/a", Status(503, retry_after=7, headers={"X-Why": "load"}, body=b"later"))
    origin.fault("/a", Status(429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"))
    origin.fault("/a", Status(204))
    first, second, third = (ask(origin.href("/a")) for _ in range(3))
    assert (first.status, first.body) == (503, b"later")
    assert (first.headers["Retry-After"], first.headers["X-Why"]) == ("7", "load")
    assert second.headers["Retry-After"].endswith("2099 07:28:00 GMT")
    assert (third.status, third.body, third.headers["Retry-After"]) == (204, b"", None)
    assert [request.status for request in origin.requests] == [503, 429, 204]


def test_redirect(origin: Origin) -> None:
    with Origin() as other:
        origin.fault("/a", Redirect(other.href("/b"), 307))
        reply = ask(origin.href("/a"))
        assert (reply.status, reply.headers["Location"]) == (307, other.href("/b"))
    origin.fault("/a", Redirect("/c"))
    assert ask(origin.href("/a"), "HEAD").status == 302


def test_wrong_type(origin: Origin) -> None:
    origin.fault("/a.tif", WrongType("text/html"))
    assert ask(origin.href("/a.tif")).headers["Content-Type"] == "text/html"


def test_wrong_length(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    origin.fault("/a", WrongLength(10))
    origin.fault("/a", WrongLength(-10))
    more, less = ask(href), ask(href)
    assert (more.headers["Content-Length"], len(more.body)) == ("1010", 1000)
    assert isinstance(more.error, http.client.IncompleteRead)
    assert (less.headers["Content-Length"], len(less.body), less.error) == ("990", 990, None)
    assert [request.body_sent for request in origin.gets()] == [1000, 990]


@pytest.mark.parametrize("data", [None, b"x" * 500])
def test_changed(origin: Origin, data: bytes | None) -> None:
    href = origin.put("/a.tif", data, size=None if data else 500)
    before = ask(href)
    origin.fault("/a.tif", Changed())
    assert origin.content("/a.tif") == before.body
    after, later = ask(href), ask(href)
    assert len(after.body) == 500
    assert before.body != after.body == later.body == origin.content("/a.tif")
    for header in ("ETag", "Last-Modified"):
        assert before.headers[header] != after.headers[header] == later.headers[header]
    assert before.headers["Content-Type"] == after.headers["Content-Type"]
    assert ask(origin.put("/a.tif", b"mine")).body == b"mine"


def test_changed_works_without_put(origin: Origin) -> None:
    origin.fault("/a", Changed())
    assert ask(origin.href("/a?size=10")).body == content("/a", 10, version=1)


def test_ignore_range(origin: Origin) -> None:
    origin.fault("/a", IgnoreRange())
    reply = ask(origin.put("/a", size=1000), Range="bytes=10-")
    assert (reply.status, len(reply.body)) == (200, 1000)
    assert reply.headers["Accept-Ranges"] is None


def test_no_validator(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    etag = ask(href).headers["ETag"]
    origin.fault("/a", NoValidator(), times=0)
    reply = ask(href)
    assert reply.headers["ETag"] is reply.headers["Last-Modified"] is None
    assert ask(href, Range="bytes=10-").status == 206
    assert ask(href, Range="bytes=10-", If_Range=etag).status == 200
    assert ask(href, If_None_Match=etag).status == 200


@pytest.mark.parametrize(("shift", "start"), [(-7, 3), (7, 17), (-50, 0), (5000, 999)])
def test_wrong_range(origin: Origin, shift: int, start: int) -> None:
    origin.fault("/a", WrongRange(shift))
    reply = ask(origin.put("/a", size=1000), Range="bytes=10-")
    assert (reply.status, reply.headers["Content-Range"]) == (206, f"bytes {start}-999/1000")
    assert reply.body == content("/a", 1000, start)
    assert reply.error is None


def test_no_head(origin: Origin) -> None:
    origin.fault("/a", NoHead(), times=0)
    origin.fault("/b", NoHead(403))
    assert ask(origin.href("/a"), "HEAD").status == ask(origin.href("/a"), "HEAD").status == 405
    assert ask(origin.href("/a")).status == ask(origin.href("/b")).status == 200
    assert ask(origin.href("/b"), "HEAD").status == 403
    assert ask(origin.href("/b"), "HEAD").status == 200


def test_chunked(origin: Origin) -> None:
    origin.fault("/a", Chunked(), times=0)
    reply = ask(origin.put("/a", size=100_000))
    assert reply.headers["Content-Length"] is None
    assert (reply.headers["Transfer-Encoding"], reply.error) == ("chunked", None)
    assert reply.body == content("/a", 100_000)
    assert origin.bytes_sent == 100_000
    origin.fault("/a", Truncate(300))
    reply = ask(origin.href("/a"))
    assert isinstance(reply.error, http.client.IncompleteRead)
    assert reply.body == content("/a", 100_000, 0, 300)


def test_chunked_for_an_old_client_ends_with_the_connection(origin: Origin) -> None:
    origin.fault("/a", Chunked())
    with socket.create_connection((origin.host, origin.port), timeout=60) as connection:
        connection.sendall(b"GET /a?size=10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert drain(connection).endswith(b"\r\n\r\n" + content("/a", 10))


def test_gzip(origin: Origin) -> None:
    href = origin.put("/a.json", b'{"a": 1}' * 100)
    plain = ask(href)
    origin.fault("/a.json", Gzip(), times=0)
    assert ask(href, Accept_Encoding="identity").headers["Content-Encoding"] is None
    assert ask(href, Accept_Encoding="*, gzip;q=0").headers["Content-Encoding"] is None
    reply = ask(href, Accept_Encoding="br;q=1.0, gzip;q=0.8", Range="bytes=5-")
    assert (reply.status, reply.headers["Content-Encoding"]) == (200, "gzip")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert gzip.decompress(reply.body) == plain.body
    assert reply.headers["ETag"] != plain.headers["ETag"]
    origin.fault("/a.json", Gzip(force=True))
    assert ask(href, Accept_Encoding="identity").headers["Content-Encoding"] == "gzip"


def test_login_page(origin: Origin) -> None:
    origin.fault("/a.tif", LoginPage())
    reply = ask(origin.href("/a.tif"))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Log in" in reply.body
    assert reply.headers["ETag"] is None


def test_slow_and_delay(origin: Origin) -> None:
    origin.fault("/a", Slow(100_000))
    began = time.monotonic()
    assert len(ask(origin.put("/a", size=20_000)).body) == 20_000
    assert time.monotonic() - began > 0.15
    origin.fault("/a", Delay(0.2))
    began = time.monotonic()
    assert ask(origin.href("/a"), "HEAD").status == 200
    assert time.monotonic() - began > 0.15


# Which requests meet a fault


def test_faults_queue_up_in_order(origin: Origin) -> None:
    origin.fault("/a", Status(500), times=2)
    origin.fault("/*", Status(501))
    origin.fault("/a", Status(502))
    assert [ask(origin.href("/a")).status for _ in range(5)] == [500, 500, 501, 502, 200]


def test_a_pattern_counts_all_its_paths(origin: Origin) -> None:
    origin.fault("/a/*", Status(500), times=2)
    statuses = [ask(origin.href(path)).status for path in ("/a/1", "/b", "/a/2/3", "/a/1")]
    assert statuses == [500, 200, 500, 200]


def test_always_combines_with_once_until_healed(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    origin.fault("a", IgnoreRange(), WrongType("text/plain"), times=0)
    origin.fault("/a", Truncate(10))
    reply = ask(href, Range="bytes=500-")
    assert (reply.status, reply.body) == (200, content("/a", 1000, 0, 10))
    for _ in range(2):
        reply = ask(href, Range="bytes=500-")
        assert (reply.status, reply.error) == (200, None)
        assert reply.headers["Content-Type"] == "text/plain"
    origin.heal("/b")
    assert ask(href, Range="bytes=500-").status == 200
    origin.heal("/a")
    assert ask(href, Range="bytes=500-").status == 206
    origin.fault("*", Status(500), times=0)
    origin.heal()
    assert ask(href).status == 200


def test_one_request_meets_a_whole_combination(origin: Origin) -> None:
    origin.fault(
        "/a", Chunked(), Stall(100, 0.01), Stall(200, 0.01), Truncate(300), WrongType("x/y")
    )
    assert ask(origin.href("/a?size=1000"), "HEAD").headers["Content-Type"] != "x/y"
    reply = ask(origin.href("/a?size=1000"))
    assert (reply.headers["Transfer-Encoding"], reply.headers["Content-Type"]) == ("chunked", "x/y")
    assert reply.body == content("/a", 1000, 0, 300)
    origin.fault("/a", Truncate(300), Reset(100))
    assert len(ask(origin.href("/a?size=1000")).body) == 100


def test_head_uses_up_no_fault_of_a_body(origin: Origin) -> None:
    origin.fault("/a", Truncate(10))
    assert ask(origin.href("/a"), "HEAD").status == 200
    assert len(ask(origin.href("/a")).body) == 10


def test_method(origin: Origin) -> None:
    origin.fault("/a", Status(500), method="head")
    origin.fault("/a", Reset(-1), method="HEAD")
    assert ask(origin.href("/a")).status == 200
    assert ask(origin.href("/a"), "HEAD").status == 500
    with pytest.raises(ConnectionResetError):
        ask(origin.href("/a"), "HEAD")


def test_require(origin: Origin) -> None:
    origin.require("Authorization", "Bearer token", "/a/*")
    origin.require("X-Key", "k", "/a/b", status=403)
    origin.fault("/a/c", Status(500))
    assert ask(origin.href("/b")).status == 200
    reply = ask(origin.href("/a/c"))
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="origin"')
    assert ask(origin.href("/a/c"), Authorization="Bearer other").status == 401
    assert ask(origin.href("/a/c"), Authorization="Bearer token").status == 500
    assert ask(origin.href("/a/c"), Authorization="Bearer token").status == 200
    assert ask(origin.href("/a/b"), Authorization="Bearer token").status == 403
    assert ask(origin.href("/a/b"), Authorization="Bearer token", X_Key="k").status == 200


def outcome(href: str) -> str:
    try:
        reply = ask(href)
    except ConnectionError as error:
        return type(error).__name__
    return f"{reply.status} {len(reply.body)} {type(reply.error).__name__}"


def test_random_faults_come_from_seed_path_and_number() -> None:
    def run(seed: int, paths: list[str]) -> list[tuple[str, str]]:
        with Origin(fault_rate=0.4, seed=seed) as origin:
            return sorted((path, outcome(origin.href(path))) for path in paths)

    paths = [f"/{number}?size=1000" for number in range(40)] * 2
    first = run(1, paths)
    assert first == run(1, paths[::-1])
    assert first != run(2, paths)
    faulty = [result for _, result in first if result != "200 1000 NoneType"]
    assert 0.2 < len(faulty) / len(paths) < 0.6
    assert {"503 0 NoneType", "429 0 NoneType", "ConnectionResetError"} <= set(faulty)
    assert len({result for result in faulty if "IncompleteRead" in result}) > 2


def test_random_faults_choose_a_place_inside_the_range() -> None:
    with Origin(fault_rate=1, fault_kinds=[Truncate(0)]) as origin:
        replies = [ask(origin.href("/a?size=100000"), Range="bytes=50-59") for _ in range(10)]
    assert all(len(reply.body) < 10 for reply in replies)
    assert len({reply.body for reply in replies}) > 1


def test_random_faults_give_way_to_those_that_were_asked_for() -> None:
    with Origin(fault_rate=1, fault_kinds=[Status(503)]) as origin:
        origin.fault("/a", Status(418))
        assert [ask(origin.href("/a")).status for _ in range(2)] == [418, 503]
        assert ask(origin.href("/a"), "HEAD").status == 200


# In a process of its own


def test_process(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "item.json").write_text("{}")
    with OriginProcess(tmp_path, bytes_per_second=50_000_000, latency=0.01) as origin:
        assert ask(origin.href("/a/item.json")).body == b"{}"
        assert ask(origin.href("/b?size=100000")).body == content("/b", 100_000)
        assert origin.bytes_sent == 100_002
        ask(origin.href("/c d"), "HEAD")
        assert [request.path for request in origin.requests] == ["/a/item.json", "/b", "/c d"]
        assert origin.gets("/b")[0].query == "size=100000"
        assert len(origin.heads()) == 1
        pid = origin.pid
    assert len(origin.requests) == 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="once"), origin:
        pass


def test_process_with_random_faults_and_nothing_else() -> None:
    with OriginProcess(fault_rate=1, strict=True, seed=3) as origin:
        results = {outcome(origin.href("/a")) for _ in range(12)}
    assert len(results) > 1
    assert not any(result.startswith("200") for result in results)


def test_process_that_cannot_start() -> None:
    origin = OriginProcess("/no/such/folder", fault_rate=7)
    with pytest.raises(RuntimeError, match="ended with code"), origin:
        pass


def start(*arguments: str, code: str = "", **environment: str) -> subprocess.Popen[str]:
    command = ["-c", code] if code else ["-m", "stac_asset.testing"]
    return subprocess.Popen(
        [sys.executable, *command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_line_logs_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("before\n")
    with start("--log", str(log), "--parent-pid", "auto", "--port", "0") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert ask(f"{url}/a?size=5").body == content("/a", 5)
        process.send_signal(number)
        assert process.wait(60) == 0
    before, line = log.read_text().splitlines()
    assert before == "before"
    assert json.loads(line)["body_sent"] == 5


def test_command_line_ends_when_its_input_closes() -> None:
    with start("--until-stdin-closes") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("how", ["OriginProcess().__enter__()", "--parent-pid"])
def test_process_ends_with_its_parent(tmp_path: Path, how: str) -> None:
    if how.startswith("--"):
        starts = (
            "import subprocess, sys\n"
            "command = [sys.executable, '-m', 'stac_asset.testing', '--parent-pid', 'auto']\n"
            "process = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
            "print(process.pid, process.stdout.readline().decode(), flush=True)\n"
        )
    else:
        starts = (
            "from stac_asset.testing import OriginProcess\n"
            f"origin = {how}\n"
            "print(origin.pid, '{\"url\": \"' + origin.url + '\"}', flush=True)\n"
        )
    with start(code=starts + "input()\n", TMPDIR=str(tmp_path)) as parent:
        assert parent.stdout is not None
        _, _, ready = parent.stdout.readline().partition(" ")
        address = urlsplit(json.loads(ready)["url"])
        parent.kill()

    def gone() -> bool:
        try:
            socket.create_connection((str(address.hostname), address.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        except OSError:  # it was accepted in the origin's last moment
            return False
        return False

    wait_until(gone)


# The public surface


def test_every_fault_is_public() -> None:
    names = {kind.__name__ for kind in get_args(Fault)}
    assert names < set(stac_asset.testing.__all__)
    assert all(hasattr(stac_asset.testing, name) for name in stac_asset.testing.__all__)
    assert len(names) == 17


def test_the_example_of_the_package_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `download` is one that continues, and that doesn't wait for a minute."""

    def download(href: str, name: str) -> None:
        got = b""
        while len(got) < 1_000_000:
            got += ask(href, timeout=3, **({"Range": f"bytes={len(got)}-"} if got else {})).body
        Path(name).write_bytes(got)

    monkeypatch.chdir(tmp_path)
    documented = str(stac_asset.testing.__doc__)
    lines = [line[4:] for line in documented.splitlines() if line.startswith("    ") or not line]
    exec("\n".join(lines), {"download": download, "Path": Path})
