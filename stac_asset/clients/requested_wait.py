"""Internal: the wait that a server requests with the headers of a response.

- `Retry-After`: seconds, or a date
- `RateLimit` and `RateLimit-Reset`: seconds. Source: the drafts of
  https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
- `X-RateLimit-Reset`, `X-Rate-Limit-Reset`: seconds, or a time in seconds or milliseconds since the
  epoch
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from multidict import istr

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_RESET = re.compile(r"(?:^|[;,\s])(?:reset|t)\s*=\s*([0-9]{1,15})", re.IGNORECASE)
_REMAINING = re.compile(r"(?:^|[;,\s])(?:remaining|r)\s*=\s*([0-9]{1,15})", re.IGNORECASE)
_PREFIXES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")

_REMAINING_HEADERS = (
    istr("RateLimit"),
    istr("RateLimit-Remaining"),
    istr("X-RateLimit-Remaining"),
    istr("X-Rate-Limit-Remaining"),
)
"""Headers with the number of requests that are left. `istr` makes the look-up faster."""

_EPOCH = 1_000_000_000.0
"""Smallest value that is a time since the epoch, in seconds. Smaller values are durations."""

_EPOCH_MILLISECONDS = 1_000_000_000_000.0
"""Smallest value that is a time since the epoch, in milliseconds."""


def requested_wait(headers: Mapping[str, str], status: int) -> float | None:
    """Return the wait, in seconds, that a server requests before the next request, if any.

    `Retry-After` has precedence. Many servers send the headers of a rate limit with each response,
    so they count only if no request is left, or with status 429 if the rest is not reported.

    Args:
        headers: The headers of an error response, with case-insensitive names.
        status: The status of the response.
    """
    now = http_date(headers.get("Date")) or datetime.now(UTC)
    given = headers.get("Retry-After", "").strip()
    if _NUMBER.fullmatch(given):
        return float(given)
    until = http_date(given)
    if until is not None:
        return max(0.0, (until - now).total_seconds())
    return _rate_limit_wait(headers, status, now)


def wait_after_success(headers: Mapping[str, str]) -> float | None:
    """Return the wait, in seconds, if a successful response was the last that the server allows.

    Some servers refuse clients for a longer time if they send further requests. A limit of 0 means
    that there is no limit.

    Args:
        headers: The headers of the response, with case-insensitive names.
    """
    for name in _REMAINING_HEADERS:
        if name in headers:
            break
    else:  # As in most responses.
        return None
    if any(headers.get(f"{prefix}-Limit", "").strip() == "0" for prefix in _PREFIXES):
        return None
    now = http_date(headers.get("Date")) or datetime.now(UTC)
    return _rate_limit_wait(headers, 200, now)


def _used_up(combined: str) -> str:
    """Return the limit of a `RateLimit` header that no request is left in and that is reset last.

    The header can have several limits, separated by commas. In older drafts, commas separate the
    parameters of the only limit.
    """
    used_up = [
        (int(found), limit)
        for limit in combined.split(",")
        if (remaining := _match(_REMAINING, limit))
        and not int(remaining)
        and (found := _match(_RESET, limit))
    ]
    return max(used_up)[1] if used_up else combined


def _rate_limit_wait(headers: Mapping[str, str], status: int, now: datetime) -> float | None:
    combined = _used_up(headers.get("RateLimit", ""))
    remaining = _match(_REMAINING, combined)
    reset = _match(_RESET, combined)
    for prefix in _PREFIXES:
        remaining = remaining or headers.get(f"{prefix}-Remaining", "").partition(",")[0].strip()
        reset = reset or headers.get(f"{prefix}-Reset", "").strip()
    is_used_up = not float(remaining) if _NUMBER.fullmatch(remaining) else status == 429
    if not is_used_up:
        return None
    first = reset.partition(",")[0].strip()
    if not _NUMBER.fullmatch(first):
        until = http_date(reset)
        return max(0.0, (until - now).total_seconds()) if until is not None else None
    seconds = float(first)
    if seconds >= _EPOCH_MILLISECONDS:
        seconds /= 1000
    return max(0.0, seconds - now.timestamp()) if seconds >= _EPOCH else seconds


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def http_date(value: str | None) -> datetime | None:
    """Return the time of a header with a date, if valid.

    Args:
        value: The value of the header.
    """
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):  # OverflowError is not documented, but raised.
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
