"""Log failed assets as warnings if `warn` is set."""

from __future__ import annotations

from prefect import get_run_logger

from stac_asset.errors import DownloadWarning
from stac_asset.redact import redact_text

_MAX_LINES = 20
"""Maximum number of failed assets with a separate log line. The report lists all failed assets."""


class WarningLog:
    """Count failed assets, and log the first 20.

    Args:
        warn: Whether errors are warnings. Otherwise the run raises them, and no line is logged.
    """

    def __init__(self, warn: bool) -> None:
        self.warn = warn
        self._count = 0

    def add(self, owner: str, key: str, error: Exception) -> None:
        """Log a failed asset.

        Args:
            owner: The name of the asset's item or collection.
            key: The key of the asset.
            error: The error.
        """
        self._count += 1
        if self.warn and self._count <= _MAX_LINES:
            text = str(error)
            if key and getattr(error, "key", None) is None:
                text = f"asset '{key}' of {owner}: {text}"
            line = " ".join(redact_text(text).split())[:1000]
            get_run_logger().warning("%s: %s", DownloadWarning.__name__, line)

    def finish(self, report: str | None) -> None:
        """Log the number of failed assets without a separate line.

        Args:
            report: The path of the report that lists them, if one was written.
        """
        more = self._count - _MAX_LINES
        if self.warn and more > 0:
            where = f" See the report {report}." if report else ""
            get_run_logger().warning("%s more assets failed.%s", f"{more:,}", where)
