"""The record of a budget: received bytes by day, claims, and the event about the used share."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_stac_asset.flows.execution.budgets.record import (
    CLAIM_SECONDS,
    Claim,
    Record,
    changed,
    next_claim,
    of_json,
    to_json,
    warned,
)

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def test_received_bytes_are_counted_by_day_until_they_leave_the_window() -> None:
    record = changed(Record(), "a", 5, 0, NOON)
    record = changed(record, "b", 7, 0, NOON + 60)
    record = changed(record, "a", 1, 0, NOON + DAY)
    assert record.days == {date(2026, 3, 31): 12, date(2026, 4, 1): 1}
    assert record.used(NOON + 30 * DAY) == 13
    assert record.used(NOON + 31 * DAY) == 1
    assert record.used(NOON + 32 * DAY) == 0
    later = changed(record, "a", 2, 0, NOON + 31 * DAY)
    assert later.days == {date(2026, 4, 1): 1, date(2026, 5, 1): 2}


def test_claims_of_other_processes_are_not_free() -> None:
    record = changed(Record(), "other", 10, 30, NOON)
    assert next_claim(record, 100, "own", 0, 60, NOON) == (60, True)
    assert next_claim(record, 100, "own", 0, 61, NOON) == (0, False)
    assert next_claim(record, 100, "own", 40, 30, NOON) == (40, False)
    assert next_claim(record, 100, "other", 0, 90, NOON) == (90, True)


def test_claim_has_some_bytes_for_further_items() -> None:
    assert next_claim(Record(), 6400, "own", 0, 0, NOON) == (0, True)
    assert next_claim(Record(), 6400, "own", 100, 300, NOON) == (400 + 6000 // 64, True)


def test_claim_of_a_killed_process_expires() -> None:
    record = changed(Record(), "killed", 10, 90, NOON)
    assert not next_claim(record, 100, "own", 0, 1, NOON + CLAIM_SECONDS - 1)[1]
    assert next_claim(record, 100, "own", 0, 90, NOON + CLAIM_SECONDS) == (90, True)
    assert changed(record, "own", 0, 0, NOON + CLAIM_SECONDS).claims == {}


def test_event_is_due_once_until_the_used_share_falls() -> None:
    record, is_due = warned(changed(Record(), "a", 79, 0, NOON), 100, NOON)
    assert not is_due
    record, is_due = warned(changed(record, "a", 1, 0, NOON), 100, NOON)
    assert is_due
    record, is_due = warned(changed(record, "a", 15, 0, NOON), 100, NOON)
    assert not is_due
    record, is_due = warned(record, 1000, NOON)
    assert not is_due
    assert warned(record, 100, NOON)[1]


_claims = st.builds(Claim, st.integers(0, 10**15), st.integers(0, 2 * 10**9).map(float))
_records = st.builds(
    Record,
    st.dictionaries(st.dates(), st.integers(0, 10**15), max_size=40),
    st.dictionaries(st.text(max_size=8), _claims, max_size=5),
    st.booleans(),
)


@given(_records)
def test_record_survives_json(record: Record) -> None:
    assert of_json(to_json(record)) == record


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["days", "claims", "warned", "2026-01-01", "x"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(_json)
def test_values_that_people_changed_are_no_error(value: object) -> None:
    record = of_json(value)
    assert record.used(NOON) >= 0
    assert record.claimed(NOON) >= 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=30),
    st.integers(1, 100),
)
def test_processes_never_claim_more_than_the_budget(
    items: list[tuple[str, int]], limit: int
) -> None:
    record = Record()
    needed = dict.fromkeys("abc", 0)
    for holder, size in items:
        claim, is_taken = next_claim(record, limit, holder, needed[holder], size, NOON)
        record = changed(record, holder, 0, claim, NOON)
        needed[holder] += size * is_taken
        assert claim >= needed[holder]
        assert record.used(NOON) + record.claimed(NOON) <= limit


@pytest.mark.parametrize("days", [31, 32, 400])
def test_earlier_days_are_removed_from_the_record(days: int) -> None:
    record = changed(Record(), "a", 5, 0, NOON)
    later = NOON + timedelta(days=days).total_seconds()
    assert changed(record, "a", 0, 0, later).days == {}
