"""The request log of an origin."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError

import pytest

from stac_asset.testing import Origin, Received, Stall, content
from tests.support.http_requests import open_get, read_to_end, send_request
from tests.support.processes import block_until


def test_received_request_is_recorded(origin: Origin) -> None:
    send_request(origin.href("/a?q=1"), "GET", Range="bytes=0-9", X_Mine="yes")
    send_request(origin.href("/b"), "HEAD")
    first, second = origin.requests
    assert (first.method, first.path, first.query, first.range) == ("GET", "/a", "q=1", "bytes=0-9")
    assert (first.status, first.body_sent, first.headers["x-mine"]) == (206, 10, "yes")
    assert first.peer.startswith("127.0.0.1:")
    assert (second.method, second.body_sent, second.range) == ("HEAD", 0, None)
    with pytest.raises(FrozenInstanceError):
        first.status = 0  # type: ignore[misc]
    assert Received.from_line(first.to_line()) == first


def test_requests_are_selected_by_pattern_and_forgotten(origin: Origin) -> None:
    for path in ("/a/1", "/a/2", "/b"):
        send_request(origin.href(path))
    send_request(origin.href("/b"), "HEAD")
    assert [request.path for request in origin.gets("/a/*")] == ["/a/1", "/a/2"]
    assert [request.path for request in origin.gets("b")] == ["/b"]
    assert len(origin.gets()) == 3
    assert len(origin.heads("/b")) == 1
    assert origin.heads("/a/*") == []
    origin.forget()
    assert (origin.requests, origin.bytes_sent, origin.in_flight_max) == ([], 0, 0)


def test_requests_in_flight_are_counted(origin: Origin) -> None:
    origin.fault("*", Stall(0, 60), times=0)
    with open_get(origin, "/a"), open_get(origin, "/b"):
        block_until(lambda: origin.in_flight == 2)
        assert [request.status for request in origin.requests] == [200, 200]
    block_until(lambda: origin.in_flight == 0)
    assert origin.in_flight_max == 2


def test_body_sent_equals_received_bytes_after_origin_closes(origin: Origin) -> None:
    with open_get(origin, "/a?size=80000000") as connection:
        last = -1

        def is_full() -> bool:
            nonlocal last
            before, last = last, origin.bytes_sent
            time.sleep(0.05)
            return before == last > 0

        block_until(is_full)
        origin.close()
        _, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert len(body) == origin.bytes_sent < 80_000_000
    assert body == content("/a", 80_000_000, 0, len(body))


def test_body_sent_includes_received_bytes_after_client_disconnects(origin: Origin) -> None:
    with open_get(origin, "/a?size=80000000") as connection:
        received = len(connection.recv(1000))
    block_until(lambda: origin.in_flight == 0)
    assert received - 500 < origin.bytes_sent < 80_000_000


def test_body_sent_is_close_to_received_bytes_with_rate_limit() -> None:
    with Origin(bytes_per_second=2_000_000) as origin:
        with open_get(origin, "/a?size=80000000") as connection:
            received = 0
            while received < 200_000:
                received += len(connection.recv(65536))
        block_until(lambda: origin.in_flight == 0)
        assert received - 500 < origin.bytes_sent < received + 2_000_000


def test_on_finished_receives_requests() -> None:
    finished: list[Received] = []
    with Origin(on_finished=finished.append) as origin:
        send_request(origin.href("/a"))
        assert origin.requests == finished
