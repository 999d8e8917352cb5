"""Internal: failed assets and speed of the earlier run in a directory, from the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stac_asset.concurrency import in_thread
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location
from stac_asset.plan.summary import Speed

_MAX_BYTES = 32 * 1024 * 1024
"""Number of bytes that are read of a report. The rest is not needed for a speed."""


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The earlier run in the same directory."""

    failed: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Owner and key of each failed asset."""

    speed: Speed | None = None
    """Speed of the downloads, if the run downloaded files."""


def earlier_run(lines: Iterable[bytes]) -> EarlierRun:
    """Return the facts of a report. Lines that are no rows of a report are left out.

    Args:
        lines: The lines of the report.
    """
    failed: set[tuple[str, str]] = set()
    received, files, seconds = 0, 0, 0.0
    for line in lines:
        try:
            row = json.loads(line)
            if row["state"] == "failed":
                failed.add((str(row["owner"]), str(row["key"])))
            elif row["state"] == "downloaded":
                row_bytes, row_seconds = int(row["received"]), float(row["seconds"])
                if row_bytes >= 0 and 0 <= row_seconds < float("inf"):
                    received, seconds, files = (
                        received + row_bytes,
                        seconds + row_seconds,
                        files + 1,
                    )
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return EarlierRun(frozenset(failed), Speed(received, seconds, files) if files else None)


async def read_earlier_run(report: Location, destination: Destination) -> EarlierRun:
    """Return the facts of the report of the earlier run.

    Args:
        report: The location of the report, which may not exist.
        destination: The destination of the report.
    """
    if isinstance(report, Path):
        return await in_thread(_read_file, report)
    key = destination.key_of(str(report))
    return earlier_run((await destination.head(key, _MAX_BYTES)).splitlines())


def _read_file(report: Path) -> EarlierRun:
    with suppress(OSError), report.open("rb") as file:
        return earlier_run(file.read(_MAX_BYTES).splitlines())
    return EarlierRun()
