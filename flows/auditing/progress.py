"""Internal: the progress of the flow `audit`, as an artifact and as log lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect import get_run_logger
from prefect.client.orchestration import get_client

from prefect_stac_asset.flows.reporting.artifacts import Progress, log_failure
from stac_asset.audit.progress import AuditProgress

_LINE_EVERY = 10_000
"""Number of compared items, or of read files, after which a line is logged."""


class ProgressLines:
    """Decides when the progress is logged.

    Args:
        progress: The progress of the audit.
    """

    def __init__(self, progress: AuditProgress) -> None:
        self._progress = progress
        self._logged = (0, 0)

    def line(self) -> str | None:
        """Return the text to log now, or None if less than 10,000 items and files are new."""
        reached = self._progress.compared // _LINE_EVERY, (self._progress.files or 0) // _LINE_EVERY
        is_due = any(now > before for now, before in zip(reached, self._logged, strict=True))
        self._logged = reached
        return f"{self._progress}." if is_due else None

    def read(self) -> tuple[float, str]:
        """Return the progress in percent and as text, and log a line from time to time."""
        line = self.line()
        if line is not None:
            get_run_logger().info("%s", line)
        return self._progress.percent, str(self._progress)


@asynccontextmanager
async def progress_shown(progress: AuditProgress) -> AsyncIterator[None]:
    """Show the progress of an audit until the context ends.

    Args:
        progress: The progress, which the audit updates.
    """
    lines = ProgressLines(progress)
    async with get_client() as client:
        artifact = Progress(client, lines.read)
        await log_failure(artifact.update())
        following = asyncio.create_task(log_failure(artifact.follow()))
        try:
            yield
            progress.is_finished = True
        finally:
            artifact.stop()
            await following
            await log_failure(artifact.update())
