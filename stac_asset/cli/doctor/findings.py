"""The result of a check, and the checks that other packages add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points

GROUP = "stac_asset.checks"
"""The entry-point group of further checks: functions without arguments that return findings."""


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    """The check succeeded."""

    NOTE = "note"
    """An optional part is not set up, such as an extra or the credentials of a provider."""

    PROBLEM = "problem"
    """Downloads would fail, or a required part does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Raises:
        ValueError: A note or a problem has no cure.
    """

    check: str
    """The subject of the check, in one or two words."""

    level: Level
    """The severity."""

    text: str
    """The observation, as a sentence."""

    cure: str = ""
    """The advice, as a sentence. Required for notes and problems."""

    def __post_init__(self) -> None:
        if self.level is not Level.OK and not self.cure:
            raise ValueError(f"The finding '{self.check}' has no cure.")


def added_findings() -> Iterable[Finding]:
    """Return the findings of the checks of other packages."""
    for point in sorted(entry_points(group=GROUP)):
        yield from point.load()()
