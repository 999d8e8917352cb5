"""Internal: the record of a budget: received bytes by day, and bytes claimed by running processes.

All functions are pure. `store` reads and replaces the record, so that no change is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

WINDOW = timedelta(days=30)
"""Days before the current day that count. With the current day, no 30 days are counted in part."""

CLAIM_SECONDS = 300.0
"""Seconds after which a claim ends, unless the process renews the claim."""

WARNING_SHARE = 0.8
"""Used share of a budget at which an event is sent."""

_SLACK = 64
"""A claim has this part of the free bytes in addition, so that small items need no other claim."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes that a process may still receive for taken items."""

    size: int
    """Number of bytes."""

    until: float
    """Time at which the claim ends, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Record:
    """Received and claimed bytes of all runs."""

    days: Mapping[date, int] = field(default_factory=dict)
    """Received bytes of each day, in UTC."""

    claims: Mapping[str, Claim] = field(default_factory=dict)
    """The claims of running processes, by the id of the process."""

    is_warned: bool = False
    """Whether the event about the used share was sent."""

    def used(self, now: float) -> int:
        """Return the received bytes that count now.

        Args:
            now: The time, in seconds since the epoch.
        """
        first = _first_day(now)
        return sum(size for day, size in self.days.items() if day >= first)

    def claimed(self, now: float, but: str = "") -> int:
        """Return the bytes that processes have claimed and not received.

        Args:
            now: The time, in seconds since the epoch.
            but: The id of a process whose claim does not count.
        """
        claims = self.claims.items()
        return sum(one.size for holder, one in claims if holder != but and one.until > now)


def changed(record: Record, holder: str, received: int, claim: int, now: float) -> Record:
    """Return the record with further received bytes, and with another claim of a process.

    Days and claims that no longer count are removed.

    Args:
        record: The record.
        holder: The id of the process.
        received: Bytes that the process has received since its last change.
        claim: Bytes that the process claims. 0 ends its claim.
        now: The time, in seconds since the epoch.
    """
    today, first = _day(now), _first_day(now)
    days = {day: size for day, size in record.days.items() if day >= first}
    if received:
        days[today] = days.get(today, 0) + received
    claims = {
        name: one for name, one in record.claims.items() if one.until > now and name != holder
    }
    if claim:
        claims[holder] = Claim(claim, now + CLAIM_SECONDS)
    return replace(record, days=days, claims=claims)


def next_claim(
    record: Record, limit: int, holder: str, needed: int, more: int, now: float
) -> tuple[int, bool]:
    """Return the bytes that a process claims, and whether it may take another item.

    Args:
        record: The record, with all received bytes of the process.
        limit: Maximum number of bytes in the window.
        holder: The id of the process.
        needed: Bytes that the process needs for the items that it has taken.
        more: Bytes of another item, or 0.
        now: The time, in seconds since the epoch.
    """
    free = limit - record.used(now) - record.claimed(now, but=holder)
    wanted = needed + more
    if wanted > free:
        return needed, False
    return (wanted + (free - wanted) // _SLACK) if wanted else 0, True


def warned(record: Record, limit: int, now: float) -> tuple[Record, bool]:
    """Return the record, and whether an event about the used share is to be sent.

    The event is sent once each time that the share is reached.

    Args:
        record: The record.
        limit: Maximum number of bytes in the window.
        now: The time, in seconds since the epoch.
    """
    is_reached = record.used(now) >= WARNING_SHARE * limit
    return replace(record, is_warned=is_reached), is_reached and not record.is_warned


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON.

    Args:
        record: The record.
    """
    return {
        "days": {day.isoformat(): size for day, size in sorted(record.days.items())},
        "claims": {name: [one.size, round(one.until)] for name, one in record.claims.items()},
        "warned": record.is_warned,
    }


def of_json(value: object) -> Record:
    """Return the record of a JSON value. Parts that are not valid are left out.

    Args:
        value: The value, which people can change.
    """
    found = value if isinstance(value, Mapping) else {}
    days, claims = {}, {}
    for day, size in _entries(found.get("days")):
        try:
            days[date.fromisoformat(day)] = max(0, int(size))
        except (OverflowError, TypeError, ValueError):
            continue
    for holder, claim in _entries(found.get("claims")):
        try:
            size, until = claim
            claims[holder] = Claim(max(0, int(size)), float(until))
        except (OverflowError, TypeError, ValueError):
            continue
    return Record(days, claims, found.get("warned") is True)


def _entries(value: object) -> list[tuple[str, Any]]:
    return [(str(key), one) for key, one in value.items()] if isinstance(value, Mapping) else []


def _day(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def _first_day(now: float) -> date:
    return _day(now) - WINDOW
