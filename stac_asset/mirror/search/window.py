"""The span of time that a search is about, absolute or relative to now, in UTC."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stac_asset.errors import ConfigError

_UNITS = "minute|hour|day|week|month|year"
_RELATIVE = re.compile(rf"last\s+(?:(\d{{1,6}})\s+)?({_UNITS})s?", re.IGNORECASE)
_DURATION = re.compile(rf"(\d{{1,6}})\s*({_UNITS})s?", re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})"
    r"(?:[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?)?)?)?"
)
_LAST = timedelta(milliseconds=1)
"""What the end of a day, month or year lacks to the beginning of the next."""

_HINT = (
    "a moment such as 2026-06-01T00:00:00Z, a day, month or year such as 2026-06, two of these "
    "with a slash between, of which one may be .., or a relative window such as 'last 10 days'"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, of which months and years are as long as they are."""

    months: int
    rest: timedelta

    def before(self, when: datetime) -> datetime:
        """Returns the moment that is so much earlier.

        Args:
            when: The later moment.

        Raises:
            ValueError: That is before the year 1.
            OverflowError: That is long before.
        """
        return _moved(when, -self.months) - self.rest


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        """The interval as a STAC API takes it."""
        if self.start is not None and self.start == self.end:
            return rfc3339(self.start)
        return f"{_or_open(self.start)}/{_or_open(self.end)}"

    def touches(self, start: datetime | None, end: datetime | None) -> bool:
        """Returns whether a span has a moment in common with this one.

        Args:
            start: Its begin; None where nobody knows, which is no reason to say no.
            end: Its end.
        """
        after = self.end is not None and start is not None and start > self.end
        before = self.start is not None and end is not None and end < self.start
        return not (after or before)


def is_relative(text: str) -> bool:
    """Returns whether a window moves with the time.

    Args:
        text: What was asked for.
    """
    return _RELATIVE.fullmatch(text.strip()) is not None


def window(text: str | None, overlap: str, now: datetime, since: datetime | None = None) -> Window:
    """Returns the span that a text means now.

    A relative window begins earlier by the overlap, so that what arrives late is found; and not
    later than where the last search ended, so that a night on which nothing ran leaves no gap.

    Args:
        text: A moment, a day, month or year, an interval, or `last 10 days`; None is all time.
        overlap: How much earlier a relative window begins, e.g. `1 day`.
        now: The moment of the search.
        since: Up to when everything was mirrored by an earlier run, if one is known.

    Raises:
        ConfigError: The text, or the overlap, is none of these.
    """
    earlier = duration(overlap, "search.overlap")
    if text is None:
        return Window()
    text = text.strip()
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        start = _before(now, _delta(relative[1] or "1", relative[2]), text)
        start = _before(min(start, since or start), earlier, text)
        return Window(start, now)
    first, slash, last = text.partition("/")
    start_of = None if slash and first.strip() in ("", "..") else _moments(first, text)
    end_of = start_of if not slash else None
    if slash and last.strip() not in ("", ".."):
        end_of = _moments(last, text)
    if start_of is None and end_of is None:
        raise ConfigError(f"search.datetime '{text}' is open at both ends: leave it out")
    found = Window(start_of[0] if start_of else None, end_of[1] if end_of else None)
    if found.start and found.end and found.start > found.end:
        raise ConfigError(f"search.datetime '{text}' ends before it begins")
    return found


def duration(text: str, field: str) -> Duration:
    """Returns a length of time.

    Args:
        text: Such as `36 hours`.
        field: What to call it in errors.

    Raises:
        ConfigError: The text is no length of time.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{field} '{text}' is no length of time such as '1 day' or '36 hours'")
    return _delta(match[1], match[2])


def moment(text: object) -> datetime | None:
    """Returns the moment that an item names, or None where it names none.

    Args:
        text: The value of a field such as `datetime`.
    """
    match = _MOMENT.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        return _first(match) if match is not None and match[3] else None
    except (ValueError, OverflowError):  # No such day; or one that is outside of all years in UTC.
        return None


def rfc3339(when: datetime) -> str:
    """Returns a moment as STAC writes it.

    Args:
        when: The moment, with a time zone.
    """
    text = when.astimezone(UTC).replace(tzinfo=None)
    return f"{text.isoformat(timespec='milliseconds' if text.microsecond else 'seconds')}Z"


def _or_open(when: datetime | None) -> str:
    return rfc3339(when) if when is not None else ".."


def _delta(count: str, unit: str) -> Duration:
    unit, number = unit.lower(), int(count)
    if unit in ("month", "year"):
        return Duration(number * (12 if unit == "year" else 1), timedelta())
    return Duration(0, timedelta(**{f"{unit}s": number}))


def _moved(when: datetime, months: int) -> datetime:
    """Returns the same day some months later, or the last day of a shorter month.

    Raises:
        ValueError: There is no such year.
    """
    year, month = divmod(when.year * 12 + when.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(f"there is no year {year}")
    day = min(when.day, calendar.monthrange(year, month + 1)[1])
    return when.replace(year=year, month=month + 1, day=day)


def _before(when: datetime, length: Duration, text: str) -> datetime:
    try:
        return length.before(when)
    except (ValueError, OverflowError):
        raise ConfigError(f"search.datetime '{text}' begins before the year 1") from None


def _moments(text: str, whole: str) -> tuple[datetime, datetime]:
    """Returns the first and the last moment of a day, month or year; or one, twice.

    Raises:
        ConfigError: The text is none of these.
    """
    match = _MOMENT.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        start = _first(match)
        if match[4]:
            return start, start
        if match[3]:
            return start, start + timedelta(days=1) - _LAST
        return start, _moved(start, 1 if match[2] else 12) - _LAST
    except (ValueError, OverflowError):
        raise ConfigError(f"search.datetime '{whole}' is no time: give {_HINT}") from None


def _first(match: re.Match[str]) -> datetime:
    year, month, day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    fraction = (fraction or ".0")[:7]
    text = f"{year}-{month or '01'}-{day or '01'}T{clock or '00:00:00'}{fraction:0<7}{zone}"
    return datetime.fromisoformat(text).astimezone(UTC)
