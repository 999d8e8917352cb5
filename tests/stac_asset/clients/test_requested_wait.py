"""The wait that a server requests with headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from stac_asset.clients.requested_wait import requested_wait, wait_after_success

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def date(seconds: int) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": date(300)}, 300),
        ({"Retry-After": date(-300)}, 0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "7", "RateLimit-Reset": "90"}, 7),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"RateLimit": '"default";r=0;t=50'}, 50),
        ({"RateLimit": '"default";q=10;w=60;t=30;r=0'}, 30),
        ({"RateLimit": '"burst";r=5;t=3, "day";r=0;t=600'}, 600),
        ({"RateLimit": '"burst";r=0;t=3,"day";r=0;t=600, "month";r=9;t=9999'}, 600),
        ({"RateLimit": '"burst";r=5;t=3, "day";r=1;t=600'}, None),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "50"}, 50),
        ({"RateLimit-Reset": "50"}, 50),
        ({"RateLimit-Remaining": "3", "RateLimit-Reset": "50"}, None),
        ({"X-RateLimit-Reset": str(EPOCH + 90)}, 90),
        ({"X-RateLimit-Reset": str(1000 * (EPOCH + 90))}, 90),
        ({"X-RateLimit-Reset": str(EPOCH - 90)}, 0),
        ({"X-Rate-Limit-Reset": "90"}, 90),
        ({"x-ratelimit-reset": "90"}, 90),
        ({"X-RateLimit-Reset": date(60)}, 60),
        ({"X-RateLimit-Reset": "never"}, None),
        ({}, None),
    ],
)
def test_wait_after_429(headers: dict[str, str], wait: float | None) -> None:
    assert requested_wait(CIMultiDict(headers, Date=date(0)), 429) == wait


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "50"}, 50),
        ({"RateLimit": '"default";r=0;t=50'}, 50),
        ({"RateLimit-Remaining": "1", "RateLimit-Reset": "50"}, None),
        ({"RateLimit-Reset": "50"}, None),
        ({"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, None),
        ({"X-RateLimit-Remaining": "0"}, None),
        ({"Retry-After": "50"}, None),
    ],
)
def test_successful_responses_need_a_used_up_rate_limit(
    headers: dict[str, str], wait: float | None
) -> None:
    assert wait_after_success(CIMultiDict(headers)) == wait


@pytest.mark.parametrize(("remaining", "wait"), [("0", 50), ("1", None), (None, None)])
def test_other_statuses_need_a_used_up_rate_limit(
    remaining: str | None, wait: float | None
) -> None:
    headers = CIMultiDict({"X-RateLimit-Reset": "50"})
    if remaining is not None:
        headers["X-RateLimit-Remaining"] = remaining
    assert requested_wait(headers, 403) == wait


@given(
    st.sampled_from(["Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset"]), st.text()
)
def test_any_value_is_a_wait_or_none(name: str, value: str) -> None:
    wait = requested_wait(CIMultiDict({name: value}), 429)
    assert wait is None or wait >= 0
