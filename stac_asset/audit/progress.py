"""The progress of an audit, which callers read from time to time."""

from __future__ import annotations

from dataclasses import dataclass

from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.run import MirrorUpdate


@dataclass(slots=True)
class AuditProgress:
    """The progress of an audit.

    How many items the source will return is unknown. The percentage uses the number of mirrored
    items instead.
    """

    files: int | None = None
    """Number of files that were read, once the audit reads files."""

    differences: int = 0
    """Number of differences so far."""

    is_finished: bool = False
    """Whether the audit has ended."""

    _mirror: MirrorUpdate | None = None

    def begin(self, mirror: MirrorUpdate) -> None:
        """Start a comparison.

        Args:
            mirror: The run of the mirror that reads the source.
        """
        self.files, self.differences, self._mirror = None, 0, mirror

    @property
    def compared(self) -> int:
        """Number of compared items of the source."""
        return self._changes.found if self._changes is not None else 0

    @property
    def mirrored(self) -> int:
        """Number of items in the mirror."""
        return len(self._changes.state.rows) if self._changes is not None else 0

    @property
    def percent(self) -> float:
        """Progress of the comparison in percent: an estimate of at most 99 until the end."""
        if self.is_finished:
            return 100.0
        mirrored = self.mirrored
        return round(min(99.0, 100 * self.compared / mirrored), 1) if mirrored else 0.0

    def __str__(self) -> str:
        if self._changes is None:
            return "Reading the records of the mirror"
        counts = [
            f"{self.compared:,} items of the source compared",
            f"{self.mirrored:,} items in the mirror",
        ]
        if self.files is not None:
            counts.append(f"{self.files:,} files read")
        return ", ".join([*counts, f"{self.differences:,} differences"])

    @property
    def _changes(self) -> ChangeSet | None:
        """The comparison, which the mirror has after reading its records."""
        found: ChangeSet | None = getattr(self._mirror, "changes", None)
        return found
