"""Internal: the time of signatures, corrected by the clock of the server.

S3 refuses signatures that differ from its own time by more than 15 minutes:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import time

from stac_asset.clients.requested_wait import http_date
from stac_asset.notices import notice

_TOLERANCE = 60.0
"""Difference, in seconds, that is not corrected."""


class ServerClock:
    """The clock of this machine with the offset of a server."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return the time of the server, in seconds since the epoch."""
        return time.time() + self._offset

    def correct(self, date: str | None, signed_at: float) -> bool:
        """Adopt the time of the server, and return whether the refused signature had another time.

        Args:
            date: The `Date` header of a response.
            signed_at: The time of the refused signature, in seconds since the epoch.
        """
        sent = http_date(date)
        if sent is None or abs(sent.timestamp() - signed_at) <= _TOLERANCE:
            return False
        self._offset = sent.timestamp() - time.time()
        notice(
            "The clock of this machine differs from that of an S3 service, and signatures have the "
            "time of the service. Correct the clock",
            f"by {abs(self._offset):,.0f} seconds",
        )
        return True
