"""The figures that rows report, and their bounds: medians over pairs of turns.

The turns of all contestants alternate. The figures of a turn are compared with those of the other
contestant in the same turn, so other load on the machine affects both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from bench.measure import Figures

OURS = "ours"
"""This library through `stac_asset.blocking`, which uses uvloop."""

ASYNC = "ours, asyncio.run"
"""This library in an event loop of asyncio."""

PEER = "stac-asset"
"""The package of PyPI."""

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a contestant in a row."""

    figures: tuple[Figures, ...]
    objects: int
    """Number of files that a turn downloads."""


Measured: TypeAlias = Mapping[str, Turns]
"""The turns of all contestants of a row, by name."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, with the lowest and the highest."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of values.

        Args:
            values: At least one value.
        """
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of each turn, with an upper bound for the median."""

    text: str
    """Name of the figure, for the table."""

    values: Callable[[Measured], list[float]]
    """Returns the figure of each turn or pair."""

    bound: float | None = None
    """Maximum of the median. None means that the figure is only reported."""

    unit: str = ""

    def spread(self, measured: Measured) -> Spread:
        """Return the figure.

        Args:
            measured: The turns of all contestants.
        """
        return Spread.of(self.values(measured))

    def verdict(self, measured: Measured) -> str:
        """Return whether the figure is at most the bound, for the table.

        Args:
            measured: The turns of all contestants.
        """
        if self.bound is None:
            return ""
        return "reached" if self.spread(measured).median <= self.bound else "**missed**"


def time_ratios(measured: Measured, name: str, other: str) -> list[float]:
    """Return the ratio of the times per file of each pair.

    Args:
        measured: The turns of all contestants.
        name: Name of a contestant.
        other: Name of the contestant to compare with.
    """
    return _ratios(measured[name], measured[other], lambda taken: taken.seconds)


def cpu_ratios(measured: Measured, name: str, other: str) -> list[float]:
    """Return the ratio of the processor times per file of each pair.

    Args:
        measured: The turns of all contestants.
        name: Name of a contestant.
        other: Name of the contestant to compare with.
    """
    return _ratios(measured[name], measured[other], lambda taken: taken.cpu_seconds)


def _ratios(one: Turns, other: Turns, figure: Callable[[Figures], float]) -> list[float]:
    pairs = zip(one.figures, other.figures, strict=False)
    return [figure(mine) / one.objects / (figure(theirs) / other.objects) for mine, theirs in pairs]


def ratio(other: str, bound: float | None, name: str = OURS) -> Goal:
    """Return a goal for the time per file, relative to another contestant.

    Args:
        other: Name of the other contestant.
        bound: Maximum ratio of the two times.
        name: Name of the contestant to compare with the other.
    """
    return Goal(
        _named(f"time relative to {other}", name), lambda m: time_ratios(m, name, other), bound
    )


def cpu_ratio(other: str, bound: float | None, name: str = OURS) -> Goal:
    """Return a goal for the processor time per file, relative to another contestant.

    Args:
        other: Name of the other contestant.
        bound: Maximum ratio of the two processor times.
        name: Name of the contestant to compare with the other.
    """
    text = _named(f"processor time relative to {other}", name)
    return Goal(text, lambda m: cpu_ratios(m, name, other), bound)


def seconds(bound: float, name: str = OURS) -> Goal:
    """Return a goal for the time.

    Args:
        bound: Maximum number of seconds.
        name: Name of the contestant.
    """
    text = _named("seconds", name)
    return Goal(text, lambda m: [taken.seconds for taken in m[name].figures], bound, " s")


def cpu_seconds(bound: float, name: str = OURS) -> Goal:
    """Return a goal for the processor time.

    Args:
        bound: Maximum number of seconds.
        name: Name of the contestant.
    """
    text = _named("processor seconds", name)
    return Goal(text, lambda m: [taken.cpu_seconds for taken in m[name].figures], bound, " s")


def memory(bound: float, name: str = OURS) -> Goal:
    """Return a goal for the peak memory.

    Args:
        bound: Maximum number of megabytes (1,000,000 bytes).
        name: Name of the contestant.
    """
    text = _named("peak memory", name)
    return Goal(text, lambda m: [taken.memory / MB for taken in m[name].figures], bound, " MB")


def _named(text: str, name: str) -> str:
    return text if name == OURS else f"{name}: {text}"
