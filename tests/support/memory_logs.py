"""Skip the log lines of stac-geoparquet about the memory of the process.

The library reads the memory use twice for each line, also if nobody sees the line. In a process of
the tests, a line takes longer than the file.
"""

from __future__ import annotations

from stac_geoparquet.arrow import _api


def skip_memory_logs() -> None:
    """Let this process skip the lines."""
    assert callable(_api.memlog)
    _api.memlog = _nothing


def _nothing(message: str) -> None:
    """Log nothing."""
