"""Internal: a log line for each batch of a run, at level INFO."""

from __future__ import annotations

from collections.abc import Iterable

from prefect import get_run_logger
from rich.filesize import decimal

from stac_asset.types import Outcome, Skipped


class BatchLog:
    """Count the outcomes of a batch, and write a line when the batch has ended.

    Args:
        total: Number of files of the run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._reset()

    @property
    def count(self) -> int:
        """Number of files of the current batch."""
        return sum(self._states.values())

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count files of the current batch.

        Args:
            outcomes: The outcomes of the files.
        """
        for outcome in outcomes:
            self._states[outcome.state] += 1
            self._received += 0 if isinstance(outcome, Skipped) else outcome.received

    def line(self) -> str:
        """Return the line of the current batch."""
        counts = ", ".join(f"{count:,} {state}" for state, count in self._states.items())
        ended = self._ended + self.count
        return (
            f"Batch of {self.count:,} files: {counts}, {decimal(self._received)} received. "
            f"{ended:,} of {self._total:,} files have ended."
        )

    def write(self) -> None:
        """Log the line of the current batch, and begin the next batch."""
        get_run_logger().info("%s", self.line())
        self._ended += self.count
        self._reset()

    def _reset(self) -> None:
        self._received = 0
        self._states = dict.fromkeys(("downloaded", "skipped", "failed"), 0)
