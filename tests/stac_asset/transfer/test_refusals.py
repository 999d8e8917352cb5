"""The number of connections to a host that refuses some of them, without I/O."""

from __future__ import annotations

import pytest

from stac_asset.errors import (
    AccessError,
    ConnectionFailedError,
    LoginPageError,
    NotFoundError,
    ResponseError,
    TruncatedError,
)
from stac_asset.transfer.refusals import ConnectionLimit, Refusal, is_free_retry, refusal_of


def after_refusals(count: int, limit: ConnectionLimit, answering: int = 0) -> ConnectionLimit:
    opened = limit.current
    for _ in range(count):
        limit = limit.after_refusal(opened, answering)
    return limit


def test_two_refusals_halve_the_connections_and_one_does_not() -> None:
    limit = ConnectionLimit(32, 32)
    assert after_refusals(1, limit).current == 32
    assert after_refusals(2, limit).current == 16


def test_open_connections_are_halved_if_they_are_fewer_than_the_limit() -> None:
    limit = ConnectionLimit(32, 32).after_refusal(8, 0).after_refusal(7, 0)
    assert limit.current == 4


def test_connections_that_the_host_serves_are_kept() -> None:
    assert after_refusals(2, ConnectionLimit(32, 5), answering=4).current == 4
    assert after_refusals(2, ConnectionLimit(32, 4), answering=4).current == 3


def test_at_least_one_connection_is_used() -> None:
    limit = ConnectionLimit(32, 32)
    for _ in range(20):
        limit = after_refusals(2, limit)
    assert limit.current == 1


def test_rare_refusals_change_nothing() -> None:
    limit = ConnectionLimit(32, 32)
    for _ in range(100):
        limit = limit.after_refusal(32, 0)
        for _ in range(20):
            limit = limit.after_success()
    assert limit.current == 32


def test_connections_grow_again_slowly_up_to_the_maximum() -> None:
    limit = after_refusals(2, ConnectionLimit(4, 4))
    seen = []
    for _ in range(400):
        limit = limit.after_success()
        seen.append(limit.current)
    assert sorted(set(seen)) == [2, 3, 4]
    assert seen.count(2) > 32
    assert seen[-1] == 4


def test_each_lowering_doubles_the_successes_before_an_increase() -> None:
    once = after_refusals(2, ConnectionLimit(32, 32))
    twice = after_refusals(2, once)
    assert twice.increase_after == 2 * once.increase_after


def denied(may_be_limit: bool) -> AccessError:
    error = AccessError("denied")
    error.may_be_limit = may_be_limit
    return error


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (ResponseError.of(429, "", "h"), Refusal.LIMIT),
        (ResponseError.of(420, "", "h"), Refusal.LIMIT),
        (ResponseError.of(509, "", "h"), Refusal.LIMIT),
        (ResponseError.of(403, "", "h", retry_after=5), Refusal.LIMIT),
        (ResponseError.of(503, "", "h", retry_after=5), Refusal.LIMIT),
        (ResponseError.of(503, "", "h"), Refusal.OVERLOAD),
        (ConnectionFailedError("reset"), Refusal.OVERLOAD),
        (ResponseError.of(403, "", "h"), Refusal.FORBIDDEN),
        (denied(True), Refusal.FORBIDDEN),
        (denied(False), None),
        (ResponseError.of(401, "", "h"), None),
        (ResponseError.of(404, "", "h", retry_after=5), None),
        (ResponseError.of(500, "", "h"), None),
        (LoginPageError("login"), None),
        (NotFoundError("missing"), None),
        (TruncatedError("short"), None),
        (ValueError("other"), None),
    ],
)
def test_kind_of_refusal(error: Exception, refusal: Refusal | None) -> None:
    assert refusal_of(error) is refusal


@pytest.mark.parametrize(
    ("refusal", "facts", "free"),
    [
        (Refusal.LIMIT, {}, False),
        (Refusal.LIMIT, {"has_progressed": True}, True),
        (Refusal.LIMIT, {"has_progressed": True, "free_before": 99}, True),
        (Refusal.LIMIT, {"has_progressed": True, "free_before": 100}, False),
        (Refusal.OVERLOAD, {"has_progressed": True}, True),
        (Refusal.OVERLOAD, {"has_progressed": True, "free_before": 1}, False),
        (Refusal.OVERLOAD, {"has_progressed": True, "free_before": 1, "is_limiting": True}, True),
        (Refusal.OVERLOAD, {"is_limiting": True}, False),
        (Refusal.FORBIDDEN, {}, False),
        (Refusal.FORBIDDEN, {"serves_others": True}, True),
        (Refusal.FORBIDDEN, {"serves_others": True, "free_before": 1}, False),
        (Refusal.FORBIDDEN, {"serves_others": True, "free_before": 5, "fills_host": True}, True),
        (Refusal.FORBIDDEN, {"serves_others": True, "free_before": 5, "is_limiting": True}, True),
        (Refusal.FORBIDDEN, {"serves_others": True, "free_before": 6, "is_limiting": True}, False),
    ],
)
def test_refusal_is_free_while_the_host_serves_other_requests(
    refusal: Refusal, facts: dict[str, int], free: bool
) -> None:
    defaults = {"is_limiting": False, "has_progressed": False, "serves_others": False}
    values = {**defaults, "fills_host": False, "free_before": 0, **facts}
    assert is_free_retry(refusal, max_attempts=10, **values) == free  # type: ignore[arg-type]
