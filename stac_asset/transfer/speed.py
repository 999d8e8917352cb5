"""Decides whether a download continues over several connections. `CandidateDownload` calls this."""

from __future__ import annotations

from itertools import chain, repeat

from stac_asset.destinations.interface import Upload
from stac_asset.transfer.interface import Response

MIB = 1024 * 1024

_MIN_MISSING = 32 * MIB
"""Minimum number of missing bytes for several connections."""

_INTERVALS = ((0.02, 40_000_000), (0.25, 150_000_000))
"""Length of each measured interval, in seconds, and minimum speed, in bytes per second.

The last interval is repeated. At higher speeds, the processor is the limit.
"""


def can_split(response: Response, upload: Upload) -> bool:
    """Return whether a file can arrive in several ranges, and is large enough.

    Args:
        response: The response of its source.
        upload: The upload, which has accepted the response.
    """
    return _is_large(upload) and response.ranges and response.validator is not None


def _is_large(upload: Upload) -> bool:
    """Return whether enough bytes are missing for several connections."""
    return upload.size is not None and upload.size - upload.offset >= _MIN_MISSING


class SpeedMeter:
    """Measures the speed of the first connection of a file.

    Args:
        upload: The upload that the connection writes to.
        now: The current time of the event loop, in seconds.
    """

    __slots__ = ("_before", "_fast", "_intervals", "_since", "_until", "_upload")

    def __init__(self, upload: Upload, now: float) -> None:
        self._upload = upload
        self._intervals = chain(_INTERVALS, repeat(_INTERVALS[-1]))
        self._start_interval(now)

    def _start_interval(self, now: float) -> None:
        seconds, self._fast = next(self._intervals)
        self._since, self._until, self._before = now, now + seconds, self._upload.offset

    def is_slow(self, now: float) -> bool:
        """Return whether an interval has ended, and the connection was slow during this interval.

        Args:
            now: The current time of the event loop, in seconds.
        """
        if now < self._until:
            return False
        upload, enough = self._upload, self._fast * (now - self._since)
        is_slow = upload.offset - self._before < enough and _is_large(upload)
        self._start_interval(now)
        return is_slow
