"""The result of a run of a mirror without Prefect."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.filesize import decimal

from stac_asset.display import Display, Shown
from stac_asset.errors import DownloadError
from stac_asset.mirror.counts import MirrorCounts
from stac_asset.plan.summary import PlanSummary
from stac_asset.types import Downloaded, Failed, Outcome

_MAX_LISTED = 100
"""Maximum number of listed failures. The report has all failures."""


@dataclass(slots=True)
class AssetCounter:
    """Counts the assets of a run, and keeps the errors of failed assets."""

    states: Counter[str] = field(default_factory=Counter)
    """Number of assets of each state."""

    bytes: int = 0
    """Total size of the downloaded files, in bytes."""

    errors: list[Exception] = field(default_factory=list)
    """The errors of failed assets."""

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count assets.

        Args:
            outcomes: The outcomes of the assets.
        """
        for outcome in outcomes:
            self.states[outcome.state] += 1
            if isinstance(outcome, Failed):
                self.errors.append(outcome.error)
            elif isinstance(outcome, Downloaded):
                self.bytes += outcome.size


@dataclass(frozen=True, slots=True, repr=False)
class SyncSummary(Display):
    """The result of a run of a mirror."""

    directory: str
    """Path of the mirror, or the URL of the prefix."""

    document: str
    """Path or URL of the mirror's catalog. A mirror without items has no catalog."""

    report: str
    """Path or URL of the report of the last run: newline-delimited JSON with a row per asset."""

    items: MirrorCounts
    """The number of items by action."""

    mirrored: int
    """Number of items in the mirror after the run, including those of other sources."""

    is_source_complete: bool
    """Whether the source returned all items that match the search, with valid ids."""

    downloaded: int
    """Number of downloaded assets."""

    skipped: int
    """Number of skipped assets, which already existed."""

    bytes: int
    """Total size of the downloaded files, in bytes."""

    seconds: float
    """Wall time of the run, in seconds."""

    errors: tuple[Exception, ...] = ()
    """The errors of failed assets, and of documents of the source that cannot be read."""

    plan: PlanSummary | None = None
    """The plan of a dry run."""

    @property
    def error(self) -> DownloadError | None:
        """The error that lists the failed assets, if any."""
        if not self.errors:
            return None
        total = self.downloaded + self.skipped + len(self.errors)
        return DownloadError(list(self.errors), total=total)

    @property
    def is_empty(self) -> bool:
        """Whether neither the source nor the mirror has any items."""
        return not self.items.found and not self.mirrored

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as a JSON object, with the first 100 failures."""
        items = dataclasses.asdict(self.items)
        complete, incomplete = items.pop("complete"), items.pop("incomplete")
        return {
            "directory": self.directory,
            "document": self.document,
            "report": self.report,
            "complete": complete,
            "incomplete": incomplete,
            "items": items,
            "mirrored": self.mirrored,
            "downloaded": self.downloaded,
            "skipped": self.skipped,
            "failed": len(self.errors),
            "bytes": self.bytes,
            "seconds": self.seconds,
            "failures": [str(error) for error in self.errors[:_MAX_LISTED]],
            "plan": dataclasses.asdict(self.plan) if self.plan is not None else None,
        }

    def _shown(self) -> Shown:
        facts = {
            "directory": self.directory,
            "complete": self.items.complete,
            "not complete because": "; ".join(self.items.incomplete),
            "report": self.report,
        }
        rows = ((str(error),) for error in self.errors)
        return Shown(str(self), facts, ("failure",), rows, len(self.errors))

    def __str__(self) -> str:
        if self.plan is not None:
            return f"{self.items}; dry run. {self.plan}"
        return (
            f"{self.items}; {self.downloaded:,} assets downloaded ({decimal(self.bytes)}), "
            f"{self.skipped:,} skipped, {len(self.errors):,} failed in {self.seconds:.1f} s"
        )
