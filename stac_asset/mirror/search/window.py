"""Time windows of a search: absolute, or relative to the time of the run.

`Criteria` parses its `datetime` and `overlap` here. The module also parses and formats the times of
items. All times are in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dateutil.parser import isoparse
from dateutil.relativedelta import relativedelta

from stac_asset.errors import ConfigError

_UNITS = "minute|hour|day|week|month|year"
_RELATIVE = re.compile(rf"last\s+(?:(\d{{1,6}})\s+)?({_UNITS})s?", re.IGNORECASE)
_DURATION = re.compile(rf"(\d{{1,6}})\s*({_UNITS})s?", re.IGNORECASE)
_TIME = re.compile(
    r"\d{4}(?P<month>-\d{2}(?P<day>-\d{2}(?P<clock>[Tt ]"
    r"(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})?)?)?)?"
)
"""RFC 3339 times, days, months and years: fewer forms than `isoparse` accepts."""

_USUAL_LENGTH = len("2026-06-01T00:00:00Z")
"""Length of a time in the form that most documents have."""

_RESOLUTION = timedelta(microseconds=1)
"""Time between the end of a day, month or year and the beginning of the next."""

_HINT = (
    "a time such as 2026-06-01T00:00:00Z, a day, month or year such as 2026-06, two of these "
    "separated by a slash, of which one may be '..', or a relative window such as 'last 10 days'"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A range of time, including both ends."""

    start: datetime | None = None
    """First time of the window, or open if unset."""

    end: datetime | None = None
    """Last time of the window, or open if unset."""

    def __str__(self) -> str:
        """Return the window in the form of a STAC API's parameter `datetime`."""
        if self.start is not None and self.start == self.end:
            return rfc3339(self.start)
        return f"{_or_open(self.start)}/{_or_open(self.end)}"

    def touches(self, start: datetime | None, end: datetime | None) -> bool:
        """Return whether a time span overlaps the window.

        Args:
            start: Start of the span. An unknown start (None) never excludes the span.
            end: End of the span. An unknown end (None) never excludes the span.
        """
        after = self.end is not None and start is not None and start > self.end
        before = self.start is not None and end is not None and end < self.start
        return not (after or before)


def is_relative(text: str) -> bool:
    """Return whether a window is relative to the time of the run.

    Args:
        text: The window, such as `last 10 days`.
    """
    return _RELATIVE.fullmatch(text.strip()) is not None


def window(text: str | None, overlap: str, now: datetime, since: datetime | None = None) -> Window:
    """Return the time window of a search.

    A relative window starts earlier by the overlap, so that late items are found. A relative window
    also reaches back to the end of the last complete search, so that skipped runs leave no gap.

    Args:
        text: A time, a day, month or year, an interval, or `last 10 days`. None is all times.
        overlap: Extra time before a relative window, such as `1 day`.
        now: Time of the search.
        since: Time up to which an earlier run mirrored all items, if known.

    Raises:
        ConfigError: The window or the overlap is invalid.
    """
    overlap_length = duration(overlap, "search.overlap")
    if text is None:
        return Window()
    text = text.strip()
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        start = _subtract(now, _delta(relative[1] or "1", relative[2]), text)
        start = _subtract(min(start, since or start), overlap_length, text)
        return Window(start, now)
    first, slash, last = text.partition("/")
    start_of = None if slash and first.strip() in ("", "..") else _span(first, text)
    end_of = start_of if not slash else None
    if slash and last.strip() not in ("", ".."):
        end_of = _span(last, text)
    if start_of is None and end_of is None:
        raise ConfigError(
            f"`search.datetime` '{text}' is open at both ends. Leave the parameter out to search "
            "all times."
        )
    found = Window(start_of[0] if start_of else None, end_of[1] if end_of else None)
    if found.start and found.end and found.start > found.end:
        raise ConfigError(f"`search.datetime` '{text}' ends before it begins. Swap the two times.")
    return found


def duration(text: str, field: str) -> relativedelta:
    """Return a duration, in which months and years are those of the calendar.

    Args:
        text: A duration such as `36 hours`.
        field: Name of the parameter, for error messages.

    Raises:
        ConfigError: The text is not a duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"`{field}` '{text}' is not a valid duration. Use for example '1 day' or '36 hours'."
        )
    return _delta(match[1], match[2])


def moment(text: object) -> datetime | None:
    """Return the time in a field of an item, if valid.

    Args:
        text: Value of a field such as `datetime`: an RFC 3339 time, or a day.
    """
    match = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        return _parse(match[0]) if match is not None and match["day"] else None
    except (ValueError, OverflowError):  # An invalid day, or a time outside of all years in UTC.
        return None


def span_of(document: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last time of an item, if valid.

    Args:
        document: The item's document, of any shape.
    """
    fields = _properties(document)
    when = moment(fields.get("datetime"))
    return moment(fields.get("start_datetime")) or when, moment(fields.get("end_datetime")) or when


def time_of(document: Mapping[str, Any]) -> datetime | None:
    """Return the `datetime` of an item, if valid.

    Args:
        document: The item's document, of any shape.
    """
    return moment(_properties(document).get("datetime"))


def rfc3339(when: datetime) -> str:
    """Return a time in the form that STAC documents use (RFC 3339, UTC, fractions if needed).

    Args:
        when: The time, with a time zone.
    """
    text = when.astimezone(UTC).replace(tzinfo=None)
    fraction = "microseconds" if text.microsecond % 1000 else "milliseconds"
    return f"{text.isoformat(timespec=fraction if text.microsecond else 'seconds')}Z"


def _properties(document: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = document.get("properties")
    return properties if isinstance(properties, dict) else {}


def canonical_time(text: str) -> str:
    """Return a time in canonical form (RFC 3339, UTC, no trailing zeros), if valid.

    Args:
        text: A time, such as a field of an item. An invalid text is returned unchanged.
    """
    if text.endswith("Z") and "." not in text and "T" in text:
        return text  # The usual form, which needs no parsing.
    when = moment(text)
    if when is None:
        return text
    plain = when.replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{plain.rstrip('0').rstrip('.')}Z"


def _or_open(when: datetime | None) -> str:
    return rfc3339(when) if when is not None else ".."


def _delta(count: str, unit: str) -> relativedelta:
    arguments: dict[str, Any] = {f"{unit.lower()}s": int(count)}
    return relativedelta(**arguments)


def _subtract(when: datetime, length: relativedelta, text: str) -> datetime:
    try:
        earlier: datetime = when - length
    except (ValueError, OverflowError):
        raise ConfigError(
            f"`search.datetime` '{text}' begins before the year 1. Use a shorter window and "
            "`search.overlap`."
        ) from None
    return earlier


def _span(text: str, whole: str) -> tuple[datetime, datetime]:
    """Return the first and the last time of a day, month or year, or the same time twice.

    Args:
        text: A time, day, month or year.
        whole: Value of `search.datetime`, for the error message.

    Raises:
        ConfigError: The text is invalid.
    """
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        start = _parse(match[0])
        if match["clock"]:
            return start, start
        unit = "day" if match["day"] else "month" if match["month"] else "year"
        end: datetime = start + _delta("1", unit) - _RESOLUTION
    except (ValueError, OverflowError):
        raise ConfigError(
            f"`search.datetime` '{whole}' is not a valid time. Use {_HINT}."
        ) from None
    return start, end


def _parse(text: str) -> datetime:
    """Return a time in UTC. Texts without a time zone are in UTC."""
    if len(text) == _USUAL_LENGTH and text[-1] == "Z":
        return datetime.fromisoformat(text)  # In a tenth of the time.
    parsed: datetime = isoparse(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
