"""The selection of faults for a request: order, patterns, methods and random faults."""

from __future__ import annotations

import pytest

from stac_asset.testing import (
    Chunked,
    IgnoreRange,
    Origin,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongType,
    content,
)
from tests.support.http_requests import send_request, summarize_reply


def test_faults_apply_in_order(origin: Origin) -> None:
    origin.fault("/a", Status(500), times=2)
    origin.fault("/*", Status(501))
    origin.fault("/a", Status(502))
    assert [send_request(origin.href("/a")).status for _ in range(5)] == [500, 500, 501, 502, 200]


def test_times_of_pattern_count_requests_for_all_paths(origin: Origin) -> None:
    origin.fault("/a/*", Status(500), times=2)
    statuses = [send_request(origin.href(path)).status for path in ("/a/1", "/b", "/a/2/3", "/a/1")]
    assert statuses == [500, 200, 500, 200]


def test_permanent_faults_combine_with_others_until_healed(origin: Origin) -> None:
    href = origin.put("/a", size=1000)
    origin.fault("a", IgnoreRange(), WrongType("text/plain"), times=0)
    origin.fault("/a", Truncate(10))
    reply = send_request(href, Range="bytes=500-")
    assert (reply.status, reply.body) == (200, content("/a", 1000, 0, 10))
    for _ in range(2):
        reply = send_request(href, Range="bytes=500-")
        assert (reply.status, reply.error) == (200, None)
        assert reply.headers["Content-Type"] == "text/plain"
    origin.heal("/b")
    assert send_request(href, Range="bytes=500-").status == 200
    origin.heal("/a")
    assert send_request(href, Range="bytes=500-").status == 206
    origin.fault("*", Status(500), times=0)
    origin.heal()
    assert send_request(href).status == 200


def test_combined_faults_apply_to_one_request(origin: Origin) -> None:
    origin.fault(
        "/a", Chunked(), Stall(100, 0.01), Stall(200, 0.01), Truncate(300), WrongType("x/y")
    )
    assert send_request(origin.href("/a?size=1000"), "HEAD").headers["Content-Type"] != "x/y"
    reply = send_request(origin.href("/a?size=1000"))
    assert (reply.headers["Transfer-Encoding"], reply.headers["Content-Type"]) == ("chunked", "x/y")
    assert reply.body == content("/a", 1000, 0, 300)
    origin.fault("/a", Truncate(300), Reset(100))
    assert len(send_request(origin.href("/a?size=1000")).body) == 100


def test_head_request_does_not_use_body_fault(origin: Origin) -> None:
    origin.fault("/a", Truncate(10))
    assert send_request(origin.href("/a"), "HEAD").status == 200
    assert len(send_request(origin.href("/a")).body) == 10


def test_fault_applies_to_method(origin: Origin) -> None:
    origin.fault("/a", Status(500), method="head")
    origin.fault("/a", Reset(-1), method="HEAD")
    assert send_request(origin.href("/a")).status == 200
    assert send_request(origin.href("/a"), "HEAD").status == 500
    with pytest.raises(ConnectionResetError):
        send_request(origin.href("/a"), "HEAD")


def test_required_header_is_checked_before_faults(origin: Origin) -> None:
    origin.require("Authorization", "Bearer token", "/a/*")
    origin.require("X-Key", "k", "/a/b", status=403)
    origin.fault("/a/c", Status(500))
    assert send_request(origin.href("/b")).status == 200
    reply = send_request(origin.href("/a/c"))
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="origin"')
    assert send_request(origin.href("/a/c"), Authorization="Bearer other").status == 401
    assert send_request(origin.href("/a/c"), Authorization="Bearer token").status == 500
    assert send_request(origin.href("/a/c"), Authorization="Bearer token").status == 200
    assert send_request(origin.href("/a/b"), Authorization="Bearer token").status == 403
    assert send_request(origin.href("/a/b"), Authorization="Bearer token", X_Key="k").status == 200


def test_random_faults_depend_on_seed_path_and_request_number() -> None:
    def run(seed: int, paths: list[str]) -> list[tuple[str, str]]:
        with Origin(fault_rate=0.4, seed=seed) as origin:
            return sorted((path, summarize_reply(origin.href(path))) for path in paths)

    paths = [f"/{number}?size=1000" for number in range(40)] * 2
    first = run(1, paths)
    assert first == run(1, paths[::-1])
    assert first != run(2, paths)
    faulty = [result for _, result in first if result != "200 1000 NoneType"]
    assert 0.2 < len(faulty) / len(paths) < 0.6
    assert {"503 0 NoneType", "429 0 NoneType", "ConnectionResetError"} <= set(faulty)
    assert len({result for result in faulty if "IncompleteRead" in result}) > 2


def test_random_truncation_is_inside_range() -> None:
    with Origin(fault_rate=1, fault_kinds=[Truncate(0)]) as origin:
        replies = [
            send_request(origin.href("/a?size=100000"), Range="bytes=50-59") for _ in range(10)
        ]
    assert all(len(reply.body) < 10 for reply in replies)
    assert len({reply.body for reply in replies}) > 1


def test_explicit_faults_precede_random_faults() -> None:
    with Origin(fault_rate=1, fault_kinds=[Status(503)]) as origin:
        origin.fault("/a", Status(418))
        assert [send_request(origin.href("/a")).status for _ in range(2)] == [418, 503]
        assert send_request(origin.href("/a"), "HEAD").status == 200
