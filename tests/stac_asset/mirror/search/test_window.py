"""Absolute, relative, overlapping and invalid time windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.window import Window, moment, window

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        (None, "../.."),
        ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z"),
        ("2026-06-01T12:00:00+02:00", "2026-06-01T10:00:00Z"),
        ("2026-06-01", "2026-06-01T00:00:00Z/2026-06-01T23:59:59.999999Z"),
        ("2026-02", "2026-02-01T00:00:00Z/2026-02-28T23:59:59.999999Z"),
        ("2026", "2026-01-01T00:00:00Z/2026-12-31T23:59:59.999999Z"),
        ("2026-01/..", "2026-01-01T00:00:00Z/.."),
        ("../2026-01", "../2026-01-31T23:59:59.999999Z"),
        ("/2026-01-01T00:00:00.5Z", "../2026-01-01T00:00:00.500Z"),
        ("2025/2026-01-02", "2025-01-01T00:00:00Z/2026-01-02T23:59:59.999999Z"),
        ("last 10 days", "2026-03-21T12:00:00Z/2026-03-31T12:00:00Z"),
        ("Last day", "2026-03-30T12:00:00Z/2026-03-31T12:00:00Z"),
        ("last 36 hours", "2026-03-30T00:00:00Z/2026-03-31T12:00:00Z"),
        ("last 2 weeks", "2026-03-17T12:00:00Z/2026-03-31T12:00:00Z"),
        ("last month", "2026-02-28T12:00:00Z/2026-03-31T12:00:00Z"),
        ("last 2 years", "2024-03-31T12:00:00Z/2026-03-31T12:00:00Z"),
    ],
)
def test_datetime_text_resolves_to_interval(text: str | None, interval: str) -> None:
    assert str(window(text, "0 days", NOW)) == interval


def test_overlap_extends_only_relative_windows() -> None:
    assert window("last 10 days", "36 hours", NOW).start == NOW - timedelta(days=11.5)
    assert window("last 10 days", "36 hours", NOW).end == NOW
    assert window("2026-01/..", "36 hours", NOW).start == datetime(2026, 1, 1, tzinfo=UTC)


def test_relative_window_starts_at_end_of_last_search() -> None:
    missed = NOW - timedelta(days=4)
    assert window("last day", "1 day", NOW, missed).start == missed - timedelta(days=1)
    assert window("last 9 days", "1 day", NOW, missed).start == NOW - timedelta(days=10)
    assert window("2026-03", "1 day", NOW, missed).start == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "overlap", "message"),
    [
        ("yesterday", "1 day", "`search.datetime` 'yesterday' is not a valid time"),
        ("last ten days", "1 day", "`search.datetime`"),
        ("2026-13", "1 day", "`search.datetime` '2026-13'"),
        ("2026-02-30/..", "1 day", "`search.datetime` '2026-02-30/..'"),
        ("2026-06-01T10:00", "1 day", "`search.datetime`"),
        ("a/b/c", "1 day", "`search.datetime`"),
        ("../..", "1 day", "open at both ends"),
        ("/", "1 day", "open at both ends"),
        ("2026/2025", "1 day", "ends before it begins"),
        ("last 9999 years", "1 day", "before the year 1"),
        ("last 999999 weeks", "1 day", "before the year 1"),
        ("last day", "tomorrow", "`search.overlap` 'tomorrow' is not a valid duration"),
        ("last day", "-1 day", "`search.overlap`"),
        ("last day", "9999 years", "before the year 1"),
    ],
)
def test_invalid_window_is_rejected(text: str, overlap: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error_info:
        window(text, overlap, NOW)
    assert "\n" not in str(error_info.value)


def test_window_touches_overlapping_intervals() -> None:
    day = Window(NOW, NOW + timedelta(days=1))
    before, inside, after = NOW - timedelta(1), NOW + timedelta(hours=1), NOW + timedelta(2)
    assert not day.touches(before, before)
    assert day.touches(before, inside)
    assert day.touches(before, after)
    assert not day.touches(after, after)
    assert day.touches(None, None)
    assert Window().touches(before, after)


@pytest.mark.parametrize(
    "text", [None, 5, "", "no", "2026-06", "2026-02-30T00:00:00Z", "2026-06-01x"]
)
def test_invalid_timestamp_is_ignored(text: object) -> None:
    assert moment(text) is None


def test_item_timestamp_is_parsed() -> None:
    assert moment("2024-07-10T18:09:21.024000Z") == datetime(2024, 7, 10, 18, 9, 21, 24000, UTC)
    assert moment("2024-07-10T18:09:21.1234567Z") is not None
