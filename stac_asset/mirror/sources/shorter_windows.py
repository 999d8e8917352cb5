"""Divides the time window of a search that an API does not return completely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from stac_asset.mirror.search.window import Window

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EARLY, _LATE = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Times that limit an open window without known times of items."""

_MIN_WINDOW = timedelta(seconds=1)
"""Shortest time that is divided without known times of items."""


def shorter_windows(window: Window, times: Sequence[datetime]) -> list[Window]:
    """Return the two parts of a window, or an empty list for a window that is too short.

    Args:
        window: A time window.
        times: Times of items in the window, of which half are to be in each new window.
    """
    inside = sorted(
        when
        for when in times
        if (window.start is None or when > window.start)
        and (window.end is None or when < window.end)
    )
    if inside:
        middle = inside[len(inside) // 2]
    elif window.start is None:
        middle = _EARLY
    elif window.end is None:
        middle = _LATE
    else:
        middle = window.start + (window.end - window.start) / 2
    start, end = window.start or _FIRST, window.end or _LAST
    if not inside and (end - start < _MIN_WINDOW or not start < middle < end):
        return []
    return [Window(window.start, middle), Window(middle, window.end)]
