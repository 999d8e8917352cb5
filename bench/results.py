"""The results, as JSON and as Markdown tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.contest import MB, Median, Row
from bench.lab import BUILD
from bench.rows import ROWS

_FILE = BUILD / "results.json"


@dataclass(slots=True)
class Results:
    """The medians of each measured row."""

    rows: dict[str, dict[str, Median]] = field(default_factory=dict)
    machine: str = ""

    @classmethod
    def load(cls) -> Results:
        """Return the results of earlier runs."""
        if not _FILE.exists():
            return cls()
        saved = json.loads(_FILE.read_bytes())
        rows = {
            row: {name: Median(**figures) for name, figures in medians.items()}
            for row, medians in saved["rows"].items()
        }
        return cls(rows, saved["machine"])

    def save(self) -> None:
        """Save the results for later runs."""
        rows = {
            row: {name: figures.to_dict() for name, figures in medians.items()}
            for row, medians in self.rows.items()
        }
        _FILE.parent.mkdir(parents=True, exist_ok=True)
        _FILE.write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=2))

    def add(self, row: Row, medians: dict[str, Median]) -> None:
        """Add a row, or replace an earlier result.

        Args:
            row: The row.
            medians: The medians of the contestants, by name.
        """
        self.rows[row.name] = medians
        cores = os.cpu_count()
        self.machine = f"{platform.system()}, {cores} cores, Python {platform.python_version()}"

    def measured(self) -> Iterator[tuple[Row, dict[str, Median]]]:
        """Yield the measured rows."""
        for row in ROWS:
            if row.name in self.rows:
                yield row, self.rows[row.name]

    def table(self) -> str:
        """Return the goals and the figures of all rows, as Markdown."""
        return "\n".join([*self._goals(), "", *self._figures()])

    def _goals(self) -> Iterator[str]:
        yield "| work | figure | goal | measured | |"
        yield "|---|---|---|---|---|"
        for row, medians in self.measured():
            for goal in row.goals:
                verdict = "reached" if goal.reached(medians) else "**missed**"
                yield (
                    f"| {row.title} | {goal.text} | {_number(goal.bound)}{goal.unit} "
                    f"| {_number(goal.figure(medians))}{goal.unit} | {verdict} |"
                )

    def _figures(self) -> Iterator[str]:
        yield "| work | program | median | fastest to slowest | processor | peak memory |"
        yield "|---|---|---|---|---|---|"
        for row, medians in self.measured():
            for name, taken in medians.items():
                each = f" ({1000 * taken.each:.2f} ms each)" if taken.objects > 1 else ""
                yield (
                    f"| {row.title} | {name} | {taken.seconds:.2f} s{each} "
                    f"| {taken.fastest:.2f} to {taken.slowest:.2f} s | {taken.cpu_seconds:.2f} s "
                    f"| {taken.memory / MB:.0f} MB |"
                )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
