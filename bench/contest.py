"""A row of the results table: contestants that do the same work, and the goals of this library."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from bench.measure import Figures, measure
from bench.work import Work

OURS = "ours"
"""Name of this library among the contestants."""

MB = 1_000_000


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

    def run(self) -> Figures:
        """Do the work once, and return the measured figures.

        Raises:
            BenchError: The command failed, or the files have other content.
        """
        try:
            figures = measure(self.command, self.environment)
            if self.work is not None and self.directory is not None:
                self.work.check(self.directory)
        finally:
            if self.directory is not None:
                shutil.rmtree(self.directory, ignore_errors=True)
        return figures


@dataclass(frozen=True, slots=True)
class Median:
    """The medians over the turns of a contestant."""

    seconds: float
    """Wall time of the work."""

    process_seconds: float
    """Wall time of the process."""

    cpu_seconds: float
    """Processor time of the process."""

    memory: int
    """Peak memory of the process in bytes."""

    turns: int
    objects: int
    fastest: float
    """Seconds of the fastest turn."""

    slowest: float
    """Seconds of the slowest turn."""

    @classmethod
    def of(cls, turns: list[Figures], objects: int) -> Median:
        """Return the medians of turns.

        Args:
            turns: The figures of at least one turn.
            objects: Number of files that a turn downloads.
        """
        seconds = [turn.seconds for turn in turns]
        return cls(
            seconds=median(seconds),
            process_seconds=median(turn.process_seconds for turn in turns),
            cpu_seconds=median(turn.cpu_seconds for turn in turns),
            memory=int(median(turn.memory for turn in turns)),
            turns=len(turns),
            objects=objects,
            fastest=min(seconds),
            slowest=max(seconds),
        )

    @property
    def each(self) -> float:
        """Seconds per object."""
        return self.seconds / self.objects

    def to_dict(self) -> dict[str, Any]:
        """Return the medians as a JSON object."""
        return asdict(self)


Medians: TypeAlias = Mapping[str, Median]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with an upper bound."""

    text: str
    """Name of the figure, for the table."""

    figure: Callable[[Medians], float]
    bound: float
    unit: str = ""

    def reached(self, medians: Medians) -> bool:
        """Return whether the figure is at most the bound.

        Args:
            medians: The medians of all contestants, by name.
        """
        return self.figure(medians) <= self.bound


def ratio(other: str, bound: float, name: str = OURS) -> Goal:
    """Return a goal for the time per object, relative to another contestant.

    Args:
        other: Name of the other contestant.
        bound: Maximum ratio of the two times.
        name: Name of the contestant to compare with the other.
    """
    return Goal(f"time relative to {other}", lambda all: all[name].each / all[other].each, bound)


def seconds(bound: float, name: str = OURS) -> Goal:
    """Return a goal for the time.

    Args:
        bound: Maximum number of seconds.
        name: Name of the contestant.
    """
    return Goal("seconds", lambda all: all[name].seconds, bound, " s")


def memory(bound: float, name: str = OURS) -> Goal:
    """Return a goal for the peak memory.

    Args:
        bound: Maximum number of megabytes (1,000,000 bytes).
        name: Name of the contestant.
    """
    return Goal("peak memory", lambda all: all[name].memory / MB, bound, " MB")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the results table."""

    name: str
    title: str
    turns: int
    contestants: Callable[[], AbstractContextManager[list[Contestant]]]
    """Context that prepares the work, starts the servers, and returns the contestants."""

    goals: tuple[Goal, ...]

    def measured(self, turns: int, report: Callable[[str], None]) -> dict[str, Median]:
        """Run all contestants turn by turn, and return the medians.

        Args:
            turns: Number of turns.
            report: Called with a line about each turn.
        """
        figures: dict[str, list[Figures]] = {}
        with self.contestants() as contestants:
            for turn in range(turns):
                for contestant in _rotated(contestants, turn):
                    if contestant.turns is not None and turn >= contestant.turns:
                        continue
                    taken = contestant.run()
                    figures.setdefault(contestant.name, []).append(taken)
                    report(
                        f"{self.name} {turn + 1}/{turns}  {contestant.name:<16} "
                        f"{taken.seconds:8.3f} s  cpu {taken.cpu_seconds:7.3f} s  "
                        f"{taken.memory / MB:7.1f} MB"
                    )
            return {
                contestant.name: Median.of(figures[contestant.name], contestant.objects)
                for contestant in contestants
            }


def _rotated(contestants: list[Contestant], turn: int) -> Iterator[Contestant]:
    """Yield all contestants, in each turn starting with another contestant.

    Otherwise, the same contestant would always run after cp, with a warm file cache.
    """
    start = turn % len(contestants)
    yield from contestants[start:]
    yield from contestants[:start]
