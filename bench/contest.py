"""A row of the results table: contestants that do the same work, and the goals of this library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench.goals import MB, Goal, Turns
from bench.measure import Figures, measure
from bench.work import Work


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command that does the work once per turn."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    objects: int = 1
    """Number of files that the command downloads, to compare the time per file."""

    work: Work | None = None
    """The expected files, if the download can be verified."""

    directory: Path | None = None
    """The output folder, which is removed after each turn."""

    turns: int | None = None
    """Number of turns of this contestant. Default: all turns."""

    after_sync: bool = False
    """Whether to sync the disks before each turn, so that earlier writes do not delay it."""

    def run(self) -> Figures:
        """Do the work once, and return the measured figures.

        Raises:
            BenchError: The command failed, or the files have other content.
        """
        if self.after_sync:
            os.sync()
        try:
            figures = measure(self.command, self.environment)
            if self.work is not None and self.directory is not None:
                self.work.check(self.directory)
        finally:
            if self.directory is not None:
                shutil.rmtree(self.directory, ignore_errors=True)
        return figures


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the results table."""

    name: str
    title: str
    contestants: Callable[[], AbstractContextManager[list[Contestant]]]
    """Context that prepares the work, starts the servers, and returns the contestants."""

    goals: tuple[Goal, ...]
    pairs: int = 5
    """Number of turns of each contestant."""

    def measured(self, pairs: int, report: Callable[[str], None]) -> dict[str, Turns]:
        """Run all contestants turn by turn, and return the figures of each turn.

        The order is reversed in every second turn, so that no contestant always runs after the
        same other one.

        Args:
            pairs: Number of turns of each contestant.
            report: Called with a line about each turn.
        """
        with self.contestants() as contestants:
            figures: dict[str, list[Figures]] = {each.name: [] for each in contestants}
            for turn in range(pairs):
                for contestant in contestants if turn % 2 == 0 else reversed(contestants):
                    if contestant.turns is not None and turn >= contestant.turns:
                        continue
                    taken = contestant.run()
                    figures[contestant.name].append(taken)
                    report(
                        f"{self.name} {turn + 1}/{pairs}  {contestant.name:<20} "
                        f"{taken.seconds:8.3f} s  cpu {taken.cpu_seconds:7.3f} s  "
                        f"{taken.memory / MB:7.1f} MB"
                    )
            return {
                each.name: Turns(tuple(figures[each.name]), each.objects) for each in contestants
            }
