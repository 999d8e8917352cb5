"""Internal: report the activity of a run and the free disk space, for automations.

A run sends the event `stac_asset.run.progress` when the download begins, and then at most once a
minute if bytes arrived or assets ended. If no such event follows, the run transfers nothing. The
event `stac_asset.destination.nearly_full` is sent once per run.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from prefect_stac_asset.flows.execution.event_names import NEARLY_FULL
from prefect_stac_asset.flows.reporting.events import Events
from prefect_stac_asset.flows.reporting.statistics import Statistics
from stac_asset.concurrency import in_thread
from stac_asset.destinations.directories import existing_parent
from stac_asset.destinations.location import Location
from stac_asset.notices import notice

if TYPE_CHECKING:
    from prefect_stac_asset.flows.monitoring.metrics import RunMetrics

INTERVAL = 60.0
"""Seconds between two reports. Automations must allow a longer time without a report."""


@dataclass(frozen=True, slots=True)
class Space:
    """Space of the disk of a directory, in bytes."""

    free: int
    total: int

    @property
    def free_percent(self) -> float:
        """Free part of the disk, in percent."""
        return 100 * self.free / self.total if self.total else 100.0


class Activity:
    """Reports of a run. `follow` sends the reports until `stop` is called.

    Args:
        statistics: The statistics of the run.
        events: The events of the run.
        directory: The directory of the run. The free space of object stores is not known.
        low_space_percent: Free space in percent below which the disk is nearly full. 0 disables
            the event.
        metrics: The metrics of the run, if any.
        interval: Seconds between two reports.
    """

    def __init__(
        self,
        statistics: Statistics,
        events: Events,
        directory: Location,
        low_space_percent: float,
        metrics: RunMetrics | None = None,
        interval: float = INTERVAL,
    ) -> None:
        self._statistics = statistics
        self._events = events
        self._directory = directory
        self._low_space_percent = low_space_percent
        self._metrics = metrics
        self._interval = interval
        self._reported: tuple[int, int] | None = None
        self._is_low = False
        self._stop = asyncio.Event()

    async def follow(self) -> None:
        """Send a report at once, and then after each interval, until `stop` is called."""
        while True:
            await self._report()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stop.wait()
            if self._stop.is_set():
                await self.check_space()
                return

    def stop(self) -> None:
        """Let `follow` return after a last check of the disk."""
        self._stop.set()

    async def check_space(self) -> None:
        """Send an event and a notice if the disk is nearly full, once per run."""
        is_watched = self._low_space_percent and not self._is_low
        if not isinstance(self._directory, Path) or not (is_watched or self._metrics):
            return
        space = await in_thread(_space, self._directory)
        if space is None:
            return
        if self._metrics is not None:
            self._metrics.free(space.free)
        if not is_watched or space.free_percent >= self._low_space_percent:
            return
        self._is_low = True
        notice(
            "The disk of the destination is nearly full. Free disk space",
            f"{decimal(space.free)} of {decimal(space.total)} are free in '{self._directory}'",
        )
        await self._events.put(*nearly_full_event(self._directory, space))

    async def _report(self) -> None:
        now = self._statistics.received_so_far, self._statistics.done
        if now != self._reported:
            self._reported = now
            await self._events.progress(received=now[0], done=now[1], total=self._statistics.total)
        await self.check_space()


def nearly_full_event(directory: Path, space: Space) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return the name, resource and payload of the event of a disk that is nearly full.

    Args:
        directory: The directory of the run.
        space: The space of the disk.
    """
    resource = {
        "prefect.resource.id": f"stac-asset.destination.{directory}",
        "prefect.resource.name": str(directory),
    }
    payload = {
        "directory": str(directory),
        "free": space.free,
        "total": space.total,
        "free_percent": round(space.free_percent, 1),
    }
    return NEARLY_FULL, resource, payload


def _space(directory: Path) -> Space | None:
    """Return the space of the disk, if the file system reports a size."""
    try:
        usage = shutil.disk_usage(existing_parent(directory))
    except OSError:
        return None
    return Space(usage.free, usage.total)
