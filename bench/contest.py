"""What a row of the table is: contestants that do the same work, and what ours has to reach."""

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
"""What this library is called among the contestants."""

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command that does the work, once a turn."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    objects: int = 1
    """How many files it downloads, where contestants are compared by that."""

    work: Work | None = None
    """What it has to have downloaded, if that can be checked."""

    directory: Path | None = None
    """What it writes to: removed after each turn."""

    turns: int | None = None
    """In how many turns it takes part, if not in all."""

    def run(self) -> Figures:
        """Does the work once, and returns what it took.

        Raises:
            BenchError: It failed, or the files are not what they should be.
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
    """The medians of a contestant's turns."""

    seconds: float
    """Wall time of the work."""

    process_seconds: float
    """Wall time of the process."""

    cpu_seconds: float
    """Processor time of the process."""

    memory: int
    """Peak bytes of the process."""

    turns: int
    objects: int
    fastest: float
    """Seconds of the fastest turn."""

    slowest: float
    """Seconds of the slowest turn."""

    @classmethod
    def of(cls, turns: list[Figures], objects: int) -> Median:
        """Returns the medians of some turns, at least one."""
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
        """Seconds an object."""
        return self.seconds / self.objects

    def to_dict(self) -> dict[str, Any]:
        """Returns the medians as a JSON object."""
        return asdict(self)


Medians: TypeAlias = Mapping[str, Median]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that has to stay below a bound."""

    text: str
    """What the figure is, as the beginning of a sentence."""

    figure: Callable[[Medians], float]
    bound: float
    unit: str = ""

    def reached(self, medians: Medians) -> bool:
        """Returns whether the figure is at most the bound."""
        return self.figure(medians) <= self.bound


def ratio(other: str, bound: float, name: str = OURS) -> Goal:
    """Returns the goal to need at most so much of another contestant's time an object.

    Args:
        other: The other contestant.
        bound: The ratio to stay below.
        name: Which one is compared with it.
    """
    return Goal(f"time, of {other}'s", lambda all: all[name].each / all[other].each, bound)


def seconds(bound: float, name: str = OURS) -> Goal:
    """Returns the goal to need at most so many seconds.

    Args:
        bound: Seconds.
        name: Who.
    """
    return Goal("seconds", lambda all: all[name].seconds, bound, " s")


def memory(bound: float, name: str = OURS) -> Goal:
    """Returns the goal to need at most so much memory.

    Args:
        bound: Megabytes, of 1,000,000 bytes.
        name: Who.
    """
    return Goal("peak memory", lambda all: all[name].memory / MB, bound, " MB")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    name: str
    title: str
    turns: int
    contestants: Callable[[], AbstractContextManager[list[Contestant]]]
    """Makes the work, starts the servers, and says who takes part."""

    goals: tuple[Goal, ...]

    def measured(self, turns: int, report: Callable[[str], None]) -> dict[str, Median]:
        """Lets everybody do the work turn by turn, and returns the medians.

        Args:
            turns: How many turns there are.
            report: Told what each turn took.
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
    """Yields all of them, another one first in each turn, so that nobody always comes after cp."""
    start = turn % len(contestants)
    yield from contestants[start:]
    yield from contestants[:start]
