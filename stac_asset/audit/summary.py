"""The result of an audit: counts, the first differences, and whether the mirror is complete."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stac_asset.audit.differences import (
    DIFFERENCE_COLUMNS,
    INCOMPLETE,
    Difference,
    DifferenceRow,
    Kind,
    difference_row,
    shown_differences,
)
from stac_asset.display import Display, Shown
from stac_asset.errors import AuditError

_MAX_LISTED = 100
"""Maximum number of differences that a summary lists."""


@dataclass(slots=True, repr=False)
class AuditSummary(Display):
    """The result of an audit."""

    found: int = 0
    """Number of items of the source that belong to the mirror."""

    mirrored: int = 0
    """Number of items in the mirror, including those of other sources and searches."""

    unchanged: int = 0
    """Number of items of the source that the mirror has in the same version, with all files."""

    undecided: int = 0
    """Number of items of the mirror about which the source gave no definite answer."""

    is_source_complete: bool = True
    """Whether the source returned all items that match the search, and at least one."""

    source_errors: list[str] = field(default_factory=list)
    """Why items of the source may be missing from the comparison."""

    counts: Counter[Kind] = field(default_factory=Counter)
    """Number of remaining differences of each kind."""

    repaired: int = 0
    """Number of repaired differences."""

    first: list[DifferenceRow] = field(default_factory=list)
    """The rows of the first 100 remaining differences."""

    _problems: list[str] = field(default_factory=list)
    """Descriptions of the differences in `first`."""

    def add(self, difference: Difference) -> DifferenceRow:
        """Count a remaining difference, and return the row of the report.

        Args:
            difference: The difference.
        """
        row = difference_row(difference)
        self.counts[difference.kind] += 1
        if len(self.first) < _MAX_LISTED:
            self.first.append(row)
            text = f"{difference.subject} is {difference.kind}: {difference.reason}"
            self._problems.append(text)
        return row

    @property
    def differences(self) -> int:
        """Number of remaining differences."""
        return self.counts.total()

    @property
    def complete(self) -> bool:
        """Whether the mirror has all items and assets of the source, in the same version.

        False if the source did not return all items. Extra items and files do not count.
        """
        return self.is_source_complete and not any(self.counts[kind] for kind in INCOMPLETE)

    @property
    def error(self) -> AuditError | None:
        """The error that lists the differences, if there are any or the source is incomplete."""
        if self.is_source_complete and not self.differences:
            return None
        problems = list(self._problems)
        if not self.is_source_complete:
            reasons = self.source_errors or ["the search ended early or found nothing"]
            problems = [f"the source did not return all items: {reason}" for reason in reasons]
            problems += self._problems
        return AuditError(problems, self.differences)

    def _shown(self) -> Shown:
        rows = shown_differences(self.first)
        facts = {"complete": self.complete, "source errors": "; ".join(self.source_errors)}
        return Shown(str(self), facts, DIFFERENCE_COLUMNS, rows, self.differences)

    def __str__(self) -> str:
        parts = [f"{self.counts[kind]:,} {kind}" for kind in Kind if self.counts[kind]]
        text = f"{self.unchanged:,} of {self.found:,} items of the source are up to date"
        if self.repaired:
            parts.append(f"{self.repaired:,} repaired")
        if self.undecided:
            parts.append(f"{self.undecided:,} without a definite answer of the source")
        if not self.is_source_complete:
            parts.append("the source did not return all items")
        return f"{text}; {', '.join(parts) or 'no differences'}"
