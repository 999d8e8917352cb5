"""The result of a check, and the checks that other packages add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points

GROUP = "stac_asset.checks"
"""The entry-point group of further checks: functions without arguments that return findings."""


class Level(StrEnum):
    """How good a finding is."""

    OK = "ok"
    """The check succeeded."""

    NOTE = "note"
    """Something is not set up. That is a problem only for those who need it."""

    PROBLEM = "problem"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check."""

    check: str
    """What was checked, in one or two words."""

    level: Level
    """How good the result is."""

    text: str
    """What was found."""

    cure: str = ""
    """What to do, in one sentence."""


def added_findings() -> Iterable[Finding]:
    """Return the findings of the checks of other packages."""
    for point in sorted(entry_points(group=GROUP)):
        yield from point.load()()
