"""The figures of each turn as JSON, so that later runs can write the tables again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from bench.contest import Row
from bench.goals import Measured, Turns
from bench.machine import machine_name
from bench.measure import Figures
from bench.peer import BUILD
from bench.rows import ROWS

_FILE = BUILD / "results.json"


@dataclass(slots=True)
class Results:
    """The turns of each measured row on one machine."""

    machine: str = field(default_factory=machine_name)
    rows: dict[str, Measured] = field(default_factory=dict)

    @classmethod
    def load(cls, machine: str | None = None) -> Results:
        """Return the results of earlier runs on this machine.

        Args:
            machine: Name of the machine. Default: processor, number of cores, system and Python.
        """
        name = machine or machine_name()
        try:
            saved = json.loads(_FILE.read_bytes())[name]
        except (FileNotFoundError, KeyError):
            return cls(name)
        rows: dict[str, Measured] = {
            row: {each: _turns(**turns) for each, turns in contestants.items()}
            for row, contestants in saved.items()
        }
        return cls(name, rows)

    def save(self) -> None:
        """Save the results for later runs."""
        saved = json.loads(_FILE.read_bytes()) if _FILE.exists() else {}
        saved[self.machine] = {
            row: {name: asdict(turns) for name, turns in measured.items()}
            for row, measured in self.rows.items()
        }
        _FILE.parent.mkdir(parents=True, exist_ok=True)
        _FILE.write_text(json.dumps(saved, indent=2))

    def measured(self) -> Iterator[tuple[Row, Measured]]:
        """Yield the measured rows, in the order of the table."""
        for row in ROWS:
            if row.name in self.rows:
                yield row, self.rows[row.name]


def _turns(figures: list[dict[str, float]], objects: int) -> Turns:
    taken = (
        Figures(
            seconds=each["seconds"],
            process_seconds=each["process_seconds"],
            cpu_seconds=each["cpu_seconds"],
            memory=int(each["memory"]),
        )
        for each in figures
    )
    return Turns(tuple(taken), objects)
