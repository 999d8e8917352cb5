"""Says in the log of a run which assets failed, where that is a warning."""

from __future__ import annotations

from prefect import get_run_logger

from stac_asset.errors import DownloadWarning
from stac_asset.redact import redact_text

SHOWN = 20
"""How many assets have a line each: all of them are in the report."""


class WarningLog:
    """Counts the assets that failed, and logs the first ones.

    Args:
        warn: Whether an error is a warning; otherwise the run raises it, and nothing is logged.
    """

    def __init__(self, warn: bool) -> None:
        self._warn = warn
        self._count = 0

    def add(self, owner: str, key: str, error: Exception) -> None:
        """Logs an asset that failed.

        Args:
            owner: Whose it is.
            key: Its key.
            error: Why.
        """
        self._count += 1
        if self._warn and self._count <= SHOWN:
            text = str(error)
            if key and getattr(error, "key", None) is None:
                text = f"asset '{key}' of {owner}: {text}"
            line = " ".join(redact_text(text).split())[:1000]
            get_run_logger().warning("%s: %s", DownloadWarning.__name__, line)

    def finish(self, report: str | None) -> None:
        """Logs how many more there are.

        Args:
            report: Where they are written down, if anywhere.
        """
        more = self._count - SHOWN
        if self._warn and more > 0:
            where = f": see the report {report}" if report else ""
            get_run_logger().warning("and %s more assets failed%s", f"{more:,}", where)
