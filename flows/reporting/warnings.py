"""Log failed assets as warnings, with the asset, the host and advice."""

from __future__ import annotations

from prefect import get_run_logger

from prefect_stac_asset.flows.execution.failure_text import failure_line
from prefect_stac_asset.flows.execution.runner import WorkerError
from stac_asset.errors import DownloadWarning
from stac_asset.types import Transfer

_MAX_LINES = 20
"""Maximum number of failed assets with a separate log line. The report lists all failed assets."""


class WarningLog:
    """Count failed assets, and log the first 20.

    Args:
        warn: Whether errors are warnings. Otherwise the run raises them at the end.
        tasks_log: Whether a task run for each asset logs the failure, if `warn` is not set.
    """

    def __init__(self, warn: bool, tasks_log: bool = False) -> None:
        self.warn = warn
        self.tasks_log = tasks_log
        self._count = 0

    def add(
        self,
        owner: str,
        key: str,
        error: Exception,
        transfer: Transfer | None = None,
        has_task: bool = True,
    ) -> None:
        """Log a failed asset, unless its task run has logged the failure.

        Args:
            owner: The name of the asset's item or collection.
            key: The key of the asset.
            error: The error.
            transfer: The planned download of the asset, if known.
            has_task: Whether the asset could be planned, so that a task run processed the asset.
        """
        is_logged = self.tasks_log and has_task and not isinstance(error, WorkerError)
        if is_logged and not self.warn:
            return
        self._count += 1
        if self._count <= _MAX_LINES:
            line = failure_line(error, owner, key, transfer)
            prefix = f"{DownloadWarning.__name__}: " if self.warn else ""
            get_run_logger().warning("%s%s", prefix, line)

    def finish(self, report: str | None) -> None:
        """Log the number of failed assets without a separate line.

        Args:
            report: The path of the report that lists them, if one was written.
        """
        more = self._count - _MAX_LINES
        if more > 0:
            where = f" See the report {report}." if report else ""
            get_run_logger().warning("%s more assets failed.%s", f"{more:,}", where)
